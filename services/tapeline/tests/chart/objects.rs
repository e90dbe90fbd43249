//! The rendered workloads of the services.

use std::fs;

use yaml_rust2::{Yaml, YamlLoader};

/// A workload of a service with its configuration.
pub(crate) struct Workload {
    /// Golden output and object, for messages.
    pub(crate) at: String,
    pub(crate) service: String,
    pub(crate) spec: Yaml,
    /// The data of its ConfigMap: file names and texts.
    pub(crate) files: Vec<(String, String)>,
}

// === impl Workload ===

impl Workload {
    pub(crate) fn pod(&self) -> &Yaml {
        &self.spec["template"]["spec"]
    }

    pub(crate) fn container(&self) -> &Yaml {
        &self.pod()["containers"][0]
    }

    pub(crate) fn has_identity(&self) -> bool {
        !self.spec["serviceName"].is_badvalue()
    }

    /// Returns the milliseconds from the termination request to the kill, and those before the signal.
    pub(crate) fn grace_ms(&self) -> (u64, u64) {
        let seconds = |value: &Yaml| u64::try_from(value.as_i64().unwrap_or(0)).unwrap();
        let before = seconds(&self.container()["lifecycle"]["preStop"]["sleep"]["seconds"]);
        (1_000 * seconds(&self.pod()["terminationGracePeriodSeconds"]), 1_000 * before)
    }

    pub(crate) fn memory_limit(&self) -> u64 {
        let limit = self.container()["resources"]["limits"]["memory"].as_str().unwrap();
        limit.strip_suffix("Mi").unwrap().parse::<u64>().unwrap() << 20
    }

    /// Returns the container's environment variables, with the labels of a pod of ordinal 7.
    pub(crate) fn env(&self) -> Vec<(String, String)> {
        let variables = self.container()["env"].as_vec().cloned().unwrap_or_default();
        let value = |variable: &Yaml| match variable["value"].as_str() {
            Some(text) => text.to_owned(),
            None => {
                let field = variable["valueFrom"]["fieldRef"]["fieldPath"].as_str().unwrap();
                assert_eq!(field, "metadata.labels['apps.kubernetes.io/pod-index']");
                "7".to_owned()
            }
        };
        variables.iter().map(|it| (it["name"].as_str().unwrap().to_owned(), value(it))).collect()
    }

    /// Returns the port of this name.
    pub(crate) fn port(&self, name: &str) -> Option<u16> {
        let ports = self.container()["ports"].as_vec()?;
        let port = ports.iter().find(|port| port["name"].as_str() == Some(name))?;
        u16::try_from(port["containerPort"].as_i64()?).ok()
    }
}

/// Returns every workload of every golden output.
pub(crate) fn workloads() -> Vec<Workload> {
    let mut found = Vec::new();
    for entry in fs::read_dir(crate::helm().join("checks/golden")).unwrap() {
        let path = entry.unwrap().path();
        let objects = YamlLoader::load_from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let set = path.file_stem().unwrap().to_str().unwrap();
        for object in &objects {
            if matches!(object["kind"].as_str(), Some("StatefulSet" | "Deployment")) {
                found.push(workload(set, object, &objects));
            }
        }
    }
    assert!(found.len() >= 16, "four services in at least four sets, not {}", found.len());
    found
}

fn workload(set: &str, object: &Yaml, objects: &[Yaml]) -> Workload {
    let name = object["metadata"]["name"].as_str().unwrap();
    let config = objects
        .iter()
        .find(|it| it["kind"].as_str() == Some("ConfigMap") && it["metadata"]["name"].as_str() == Some(name));
    let data = config.unwrap()["data"].as_hash().unwrap();
    Workload {
        at: format!("{set}, {name}"),
        service: object["metadata"]["labels"]["app.kubernetes.io/component"].as_str().unwrap().to_owned(),
        spec: object["spec"].clone(),
        files: data
            .iter()
            .map(|(file, text)| (file.as_str().unwrap().to_owned(), text.as_str().unwrap().to_owned()))
            .collect(),
    }
}
