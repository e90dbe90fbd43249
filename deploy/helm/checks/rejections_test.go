package checks

import (
	"strings"
	"testing"
)

// Values that must be rejected in addition to the minimal ones, and a part of the message.
var rejections = map[string]struct {
	set     []string
	message string
}{
	"no images":              {[]string{"image.registry="}, "image.registry: set the registry to which deploy/images/push has pushed the images"},
	"a stranger's images":    {[]string{"image.registry=acme"}, `image.registry: "acme" is not a host`},
	"a registry as URL":      {[]string{"image.registry=https://registry.example.org"}, "image/registry"},
	"a digest of no image":   {[]string{"image.digest.futures=sha256:0"}, "additional properties 'futures' not allowed"},
	"half a digest":          {[]string{"image.digest.feature=sha256:0123"}, "image/digest/feature"},
	"one digest of all":      {[]string{"image.digest=sha256:0123"}, "image/digest"},
	"a tag with a digest":    {[]string{"image.tag=0.1.0@sha256:0"}, "image/tag"},
	"a setting as variable":  {[]string{"services.feature.extraEnv[0].name=FEATURE__KAFKA__BROKERS", "services.feature.extraEnv[0].value=a:1"}, "services.feature.extraEnv: FEATURE__KAFKA__BROKERS is a setting"},
	"a setting of another":   {[]string{"extraEnv[0].name=SCANNER_BRIDGE__KAFKA__BROKERS"}, "extraEnv: SCANNER_BRIDGE__KAFKA__BROKERS is a setting"},
	"a setting of setup":     {[]string{"setup.extraEnv[0].name=TAPELINE__KAFKA__BROKERS"}, "setup.extraEnv: TAPELINE__KAFKA__BROKERS is a setting"},
	"a variable unnamed":     {[]string{"extraEnv[0].value=a"}, "missing property 'name'"},
	"a selector's label":     {[]string{`podLabels.app\.kubernetes\.io/component=x`}, "podLabels: app.kubernetes.io/component is set by the chart"},
	"a label as number":      {[]string{"podLabels.tier=1"}, "podLabels/tier"},
	"the chart's own mark":   {[]string{"services.backfill.podAnnotations.tapeline/config=x"}, "services.backfill.podAnnotations: tapeline/config is set by the chart"},
	"a volume of the chart":  {[]string{"extraVolumes[0].name=config"}, "extraVolumes: config is a volume of the chart"},
	"a volume twice":         {[]string{"extraVolumes[0].name=a", "setup.extraVolumes[0].name=a"}, "setup.extraVolumes: a is defined twice"},
	"a mount of no volume":   {[]string{"extraVolumeMounts[0].name=a", "extraVolumeMounts[0].mountPath=/a"}, "extraVolumeMounts: no volume a in extraVolumes"},
	"a mount over another":   {[]string{"extraVolumes[0].name=a", "extraVolumeMounts[0].name=a", "extraVolumeMounts[0].mountPath=/etc/tapeline/"}, "extraVolumeMounts: /etc/tapeline/ is mounted already"},
	"a mount twice":          {[]string{"extraVolumes[0].name=a", "extraVolumeMounts[0].name=a", "extraVolumeMounts[0].mountPath=/a", "services.feature.extraVolumeMounts[0].name=a", "services.feature.extraVolumeMounts[0].mountPath=/a"}, "services.feature.extraVolumeMounts: /a is mounted already"},
	"a relative mount":       {[]string{"extraVolumes[0].name=a", "extraVolumeMounts[0].name=a", "extraVolumeMounts[0].mountPath=a"}, "extraVolumeMounts/0/mountPath"},
	"half a constraint":      {[]string{"topologySpreadConstraints[0].topologyKey=rack"}, "missing properties 'maxSkew', 'whenUnsatisfiable'"},
	"an unknown spread":      {[]string{"services.feature.topologySpread=Never"}, "services/feature/topologySpread"},
	"a priority as a list":   {[]string{"priorityClassName={high}"}, "priorityClassName"},
	"an unknown pod value":   {[]string{"services.feature.podAnnotation.a=b"}, "additional properties 'podAnnotation' not allowed"},
	"an account's name":      {[]string{"serviceAccount.name=own"}, "additional properties 'name' not allowed"},
	"a limit of nothing":     {[]string{"services.feature.resources.cpuLimit=none"}, "services/feature/resources/cpuLimit"},
	"a list to roll on":      {[]string{"rollOn.certificates={a}"}, "rollOn/certificates"},
	"a port upside down":     {[]string{"networkPolicy.kafkaPorts={32767-30000}"}, "networkPolicy.kafkaPorts: 32767-30000 is not a range of ports"},
	"a port beyond all":      {[]string{"networkPolicy.kafkaPorts={30000-70000}"}, "networkPolicy.kafkaPorts: 30000-70000 is not a range of ports"},
	"a port by name":         {[]string{"networkPolicy.kafkaPorts={kafka}"}, "networkPolicy/kafkaPorts/0"},
	"no port for DNS":        {[]string{"networkPolicy.dnsPorts=null"}, "dnsPorts"},
	"a relative runbook":     {[]string{"monitoring.rules.runbookBaseUrl=docs/runbooks"}, "monitoring/rules/runbookBaseUrl"},
	"a variable twice":       {[]string{"extraEnv[0].name=A", "services.feature.extraEnv[0].name=A"}, "services.feature.extraEnv: A is defined twice"},
	"a variable twice alone": {[]string{"extraEnv[0].name=A", "extraEnv[1].name=A"}, "extraEnv: A is defined twice"},
	"no brokers":             {[]string{"kafka.brokers="}, "kafka/brokers"},
	"no registry":            {[]string{"registry.url="}, "registry/url"},
	"a broker without port":  {[]string{"kafka.brokers=kafka"}, `kafka.brokers: "kafka" is not host:port`},
	"a misspelt key":         {[]string{"kafka.partition=12"}, "additional properties 'partition' not allowed"},
	"an unknown service":     {[]string{"services.bridge.replicas=1"}, "additional properties 'bridge' not allowed"},
	"replicas as text":       {[]string{"services.feature.replicas=two"}, "services/feature/replicas"},
	"latest":                 {[]string{"image.tag=latest"}, "image.tag is latest"},
	"a password in the URL":  {[]string{"registry.url=http://me:secret@registry:8081"}, "secrets are set by reference only"},
	"half a login":           {[]string{"registry.username=me"}, "registry.username and registry.passwordSecret must be set together"},
	"trust in clear":         {[]string{"registry.caSecret=ca"}, "registry.caSecret is set, but registry.url is not https"},
	"a login of its own":     {[]string{"services.feature.config.registry.username=me"}, "services.feature.config.registry.username: set by the chart"},
	"root":                   {[]string{"userId=0"}, "userId"},
	"idle replicas":          {[]string{"services.feature.replicas=13"}, "services.feature.replicas 13: at most kafka.partitions, 12"},
	"idle scale":             {[]string{"autoscaling.kind=keda", "services.feature.autoscaling.max=13"}, "services.feature.autoscaling.max 13: at most kafka.partitions, 12"},
	"a scale upside down":    {[]string{"autoscaling.kind=hpa", "services.feature.autoscaling.min=7", "services.feature.autoscaling.max=3"}, "min 7 is above max 3"},
	"memory of two stages":   {[]string{"services.backfill.resources.memoryMib=512"}, "services.backfill.resources.memoryMib 512: its configuration may hold 632 MiB, four fifths of 791"},
	"too little memory":      {[]string{"services.feature.resources.memoryMib=256"}, "services.feature.resources.memoryMib 256: its configuration may hold 517 MiB, four fifths of 647"},
	"memory by prefetch":     {[]string{"services.feature.config.kafka.prefetch_kib=1048576"}, "lower config.kafka.prefetch_kib"},
	"memory by state":        {[]string{"services.feature.resources.stateMib=600"}, "services.feature.resources.memoryMib 704"},
	"memory by partitions":   {[]string{"kafka.partitions=48"}, "services.backfill.resources.memoryMib 992"},
	"memory by the ledger":   {[]string{"services.backfill.config.ledger.kind=postgres", "services.backfill.resources.memoryMib=768"}, "services.backfill.resources.memoryMib 768"},
	"memory by bar files":    {[]string{"services.backfill.barsClaim=bars", "services.backfill.config.executor.running_max=16", "services.backfill.config.executor.workers_max=16"}, "services.backfill.resources.memoryMib 992: its configuration may hold 904 MiB, four fifths of 1131"},
	"memory by bodies":       {[]string{"services.publisher.config.edge.bodies_max_bytes=134217728"}, "services.publisher.resources.memoryMib 640"},
	"a drain beyond a poll":  {[]string{"drainSeconds=200", "services.feature.config.kafka.max_poll_interval_ms=180000"}, "must be below max_poll_interval_ms 180000"},
	"an unknown section":     {[]string{"services.feature.config.request.workers=4"}, "services.feature.config.request: unknown key; known are kafka, process, registry, requests"},
	"an unknown setting":     {[]string{"services.feature.config.requests.worker=4"}, "services.feature.config.requests.worker: unknown key; known are benchmarks, dedup_symbols_max"},
	"a setting of no number": {[]string{"services.feature.config.requests.workers_max=many"}, "services.feature.config.requests.workers_max: expected a whole number, for example 8"},
	"half a worker":          {[]string{"services.feature.config.requests.workers_max=0.5"}, "services.feature.config.requests.workers_max: expected a whole number, for example 8"},
	"a list of one":          {[]string{"services.backfill.config.executor.timeframes=1day"}, "services.backfill.config.executor.timeframes: expected a list"},
	"a key of the chart":     {[]string{"services.feature.config.process.drain_budget_ms=1"}, "services.feature.config.process.drain_budget_ms: set by the chart"},
	"brokers of its own":     {[]string{"services.feature.config.kafka.brokers=a:1"}, "services.feature.config.kafka.brokers: set by the chart"},
	"an ordinal of its own":  {[]string{"services.feature.config.kafka.ordinal=1"}, "services.feature.config.kafka.ordinal: set by the chart"},
	"an ordinal by name":     {[]string{"services.feature.config.kafka.ordinal_from_host=true"}, "services.feature.config.kafka.ordinal_from_host: set by the chart"},
	"a password in values":   {[]string{"services.feature.config.kafka.security.password=hunter2"}, "services.feature.config.kafka.security: set by the chart"},
	"a login in clear":       {[]string{"services.feature.credentials.secret=login"}, "services.feature.credentials.secret is set, but kafka.security.protocol is plaintext"},
	"authorities in clear":   {[]string{"kafka.security.caSecret=ca"}, "the protocol plaintext is not encrypted"},
	"a mechanism in clear":   {[]string{"kafka.security.mechanism=plain"}, "the protocol plaintext has no login"},
	"a claim without pod":    {[]string{"cache.claim=true", "kafka.delivery=at_least_once"}, "cache.claim needs kafka.delivery transactional"},
	"users in clear":         {[]string{"strimzi.enabled=true", "strimzi.cluster=main"}, "plaintext has no users"},
	"Strimzi of no cluster":  {[]string{"strimzi.enabled=true", "kafka.security.protocol=ssl"}, "strimzi.cluster: set the name of the Kafka resource"},
	"a cluster without use":  {[]string{"strimzi.cluster=main"}, "strimzi.enabled is false"},
	"two sources of logins":  {[]string{"strimzi.enabled=true", "strimzi.cluster=main", "kafka.security.protocol=sasl_ssl", "services.feature.credentials.secret=own"}, "strimzi.enabled creates user and secret"},
	"bars from two sources":  {[]string{"services.backfill.barsClaim=bars", "services.backfill.config.source.kind=synthetic"}, "services.backfill.config.source.kind: set by the chart"},
}

func TestContradictionsAreRejectedWithTheirCause(t *testing.T) {
	for what, rejection := range rejections {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			args := []string{"template", "tapeline", chart, "--kube-version", kubeVersion, "--values", values("minimal")}
			for _, one := range rejection.set {
				args = append(args, "--set", one)
			}
			text, err := helm(args...)
			if err == nil {
				t.Fatalf("%v is accepted", rejection.set)
			}
			if !strings.Contains(text, rejection.message) {
				t.Errorf("rejected without %q:\n%s", rejection.message, text)
			}
		})
	}
}

func TestAllErrorsAreReportedAtOnce(t *testing.T) {
	text, err := helm("template", "tapeline", chart, "--kube-version", kubeVersion, "--values", values("minimal"),
		"--set", "image.tag=latest,services.feature.replicas=13,services.backfill.config.sauce.kind=csv")
	if err == nil {
		t.Fatal("accepted")
	}
	for _, message := range []string{"image.tag is latest", "services.feature.replicas 13", "services.backfill.config.sauce: unknown key"} {
		if !strings.Contains(text, message) {
			t.Errorf("no message with %q:\n%s", message, text)
		}
	}
}

// Ordinary values that must be accepted, in addition to the sets.
func TestOrdinaryValuesAreAccepted(t *testing.T) {
	for _, set := range []string{
		"services.publisher.config.edge.acknowledge_timeout_ms=30000",
		"services.backfill.config.executor.timeframes={1day}",
		"services.backfill.barsClaim=day-bars",
		// A fetch without a worker reads no file.
		"services.backfill.barsClaim=day-bars,services.backfill.config.executor.running_max=20",
		"services.feature.config.kafka.group_protocol=consumer",
		"registry.url=https://registry.example.org/apis/ccompat/v7",
		"drainSeconds=120",
		"kafka.delivery=at_least_once",
		"image.registry=localhost",
		"image.registry=registry:5000/a/b",
		"image.registry=,image.pullPolicy=Never",
		"services.feature.extraEnv[0].name=NODE,services.feature.extraEnv[0].valueFrom.fieldRef.fieldPath=spec.nodeName",
		"rollOn.certificates=202611",
		"networkPolicy.kafkaPorts={9094,30000-32767}",
	} {
		if text, err := helm("template", "tapeline", chart, "--kube-version", kubeVersion, "--values", values("minimal"), "--set", set); err != nil {
			t.Errorf("%s: %s", set, text)
		}
	}
}
