import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.Stores;

/**
 * The topology of the bridge in Kafka Streams, for comparison: alerts in Avro, a dedup window of 60 s in a logged in-memory store,
 * requests of 50 alerts in Avro, exactly once.
 *
 * <p>Processes all records of the topic, commits, and prints one line of JSON with the resource usage of the process.
 * Usage: {@code StreamsPeer BROKERS RECORDS SCHEMAS STATE}.
 */
public final class StreamsPeer {
  private static final String ALERTS = "scanner.alert.raised.v1";
  private static final String REQUESTS = "feature.batch.requested.v1";

  private StreamsPeer() {}

  public static void main(String[] arguments) throws Exception {
    String brokers = arguments[0];
    long records = Long.parseLong(arguments[1]);
    Path schemas = Path.of(arguments[2]);
    String name = "bench.streams-" + ProcessHandle.current().pid();
    Progress progress = new Progress(records);
    long began = System.nanoTime();
    Topology topology =
        topology(
            progress,
            BridgeProcessor.schema(schemas, "scanner.alert.raised"),
            BridgeProcessor.schema(schemas, "feature.batch.requested"));
    KafkaStreams streams = new KafkaStreams(topology, properties(brokers, name, arguments[3]));
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          Runtime.getRuntime().halt(1);
          return null;
        });
    streams.start();
    progress.await();
    // Closing commits.
    if (!streams.close(Duration.ofMinutes(1))) {
      throw new IllegalStateException("failed to close Kafka Streams: not closed after a minute");
    }
    long wallMicros = (System.nanoTime() - began) / 1_000;
    OperatingSystemMXBean system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
    long cpuMicros = system.getProcessCpuTime() / 1_000;
    long committed = committed(brokers, name);
    if (progress.processed() != records || committed != records) {
      throw new IllegalStateException(
          "processed " + progress.processed() + " and committed " + committed + " of " + records + " records");
    }
    System.out.printf(
        "{\"name\": \"bridge in Kafka Streams, exactly_once_v2\", \"records\": %d, \"passed\": %d, \"cpu_us\": %d, \"wall_us\": %d,"
            + " \"peak_kib\": %d}%n",
        records, progress.passed(), cpuMicros, wallMicros, peakKib());
  }

  private static Topology topology(Progress progress, Schema alert, Schema request) {
    Topology topology = new Topology();
    topology.addSource("alerts", new StringDeserializer(), new ByteArrayDeserializer(), ALERTS);
    topology.addProcessor("bridge", () -> new BridgeProcessor(progress, alert, request), "alerts");
    topology.addStateStore(
        Stores.keyValueStoreBuilder(
                Stores.inMemoryKeyValueStore(BridgeProcessor.STORE), Serdes.String(), Serdes.ByteArray())
            .withLoggingEnabled(Map.of())
            .withCachingDisabled(),
        "bridge");
    topology.addSink("requests", REQUESTS, new StringSerializer(), new ByteArraySerializer(), "bridge");
    return topology;
  }

  /** Linger and compression of all variants; otherwise the defaults. */
  private static Properties properties(String brokers, String name, String state) {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, name);
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
    properties.put(StreamsConfig.STATE_DIR_CONFIG, state);
    properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 5);
    properties.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    return properties;
  }

  /** The sum over all partitions, which begin at offset 0 and have no gaps. */
  private static long committed(String brokers, String group) throws Exception {
    try (Admin admin = Admin.create(Map.of(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, brokers))) {
      Map<?, OffsetAndMetadata> offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
      return offsets.values().stream().mapToLong(OffsetAndMetadata::offset).sum();
    }
  }

  private static long peakKib() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) {
        return Long.parseLong(line.replaceAll("\\D", ""));
      }
    }
    return 0;
  }
}
