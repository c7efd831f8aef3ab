/** The fields of KubeRay's API that a RayJob may have, by the path of the object that has them (`ray.io/v1`, KubeRay 1.6). */
const fields: Readonly<Record<string, readonly string[]>> = {
  "": ["apiVersion", "kind", "metadata", "spec"],
  metadata: ["name", "namespace", "labels", "annotations"],
  spec: [
    ...[
      "activeDeadlineSeconds",
      "backoffLimit",
      "rayClusterSpec",
      "submitterPodTemplate",
      "metadata",
      "clusterSelector",
    ],
    ...["submitterConfig", "managedBy", "deletionStrategy", "entrypoint", "runtimeEnvYAML", "jobId", "submissionMode"],
    ...["entrypointResources", "entrypointNumCpus", "entrypointNumGpus", "ttlSecondsAfterFinished"],
    ...["shutdownAfterJobFinishes", "suspend"],
  ],
  "spec.rayClusterSpec": [
    ...["headGroupSpec", "workerGroupSpecs", "rayVersion", "enableInTreeAutoscaling", "autoscalerOptions"],
    ...["headServiceAnnotations", "suspend", "authOptions", "gcsFaultToleranceOptions", "managedBy"],
  ],
  "spec.rayClusterSpec.authOptions": ["mode", "enableK8sTokenAuth"],
  "spec.rayClusterSpec.headGroupSpec": ["serviceType", "headService", "enableIngress", "rayStartParams", "template"],
  "spec.rayClusterSpec.workerGroupSpecs": [
    ...[
      "groupName",
      "replicas",
      "minReplicas",
      "maxReplicas",
      "numOfHosts",
      "rayStartParams",
      "template",
      "scaleStrategy",
    ],
  ],
  template: ["metadata", "spec"],
  "template.spec": ["containers", "volumes", "serviceAccountName", "restartPolicy", "nodeSelector", "tolerations"],
  "template.spec.containers": ["name", "image", "resources", "volumeMounts", "env", "ports", "command", "args"],
  "template.spec.volumes": ["name", "persistentVolumeClaim"],
};

/** The words that a field may have. */
const words: Readonly<Record<string, readonly unknown[]>> = {
  apiVersion: ["ray.io/v1"],
  kind: ["RayJob"],
  "spec.submissionMode": ["K8sJobMode", "HTTPMode", "InteractiveMode"],
  "spec.rayClusterSpec.authOptions.mode": ["disabled", "token"],
};

/** Returns what is wrong with a RayJob, by path: fields that KubeRay does not know, and words that it does not. */
export function wrongIn(found: unknown, path = ""): readonly string[] {
  if (Array.isArray(found)) return found.flatMap((one) => wrongIn(one, path));
  const allowed = words[path];
  if (allowed !== undefined && !allowed.includes(found)) return [`${path} is ${found}`];
  if (typeof found !== "object" || found === null) return [];
  const known = fields[path];
  return Object.entries(found).flatMap(([name, value]) => {
    if (known !== undefined && !known.includes(name)) return [`${path} has ${name}`];
    const inner = path === "" ? name : `${path}.${name}`;
    return wrongIn(
      value,
      inner.endsWith("GroupSpec.template") || inner.endsWith("GroupSpecs.template") ? "template" : inner,
    );
  });
}
