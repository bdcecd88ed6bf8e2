/** Counters in the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/). */
import type { LoadedModel, ModelStats } from "../../engine/manager/model-manager.ts";

interface Metric {
  name: string;
  help: string;
  type: "counter" | "gauge";
  /** `undefined`: not known yet. */
  read: (stats: ModelStats, model: LoadedModel) => number | undefined;
  labels?: Readonly<Record<string, string>>;
}

/** Those of llama.cpp's server have its names, so that its dashboards show them; each has the model as a label. */
const METRICS: readonly Metric[] = [
  {
    name: "llamacpp:prompt_tokens_total",
    help: "Number of prompt tokens processed.",
    type: "counter",
    read: ({ promptTokens, cachedTokens }) => promptTokens - cachedTokens,
  },
  {
    name: "llamacpp:tokens_predicted_total",
    help: "Number of generation tokens processed.",
    type: "counter",
    read: ({ completionTokens }) => completionTokens,
  },
  {
    name: "llamacpp:prompt_tokens_seconds",
    help: "Average prompt throughput in tokens/s of the newest requests.",
    type: "gauge",
    read: ({ promptTokensPerSecond }) => promptTokensPerSecond,
  },
  {
    name: "llamacpp:predicted_tokens_seconds",
    help: "Average generation throughput in tokens/s of the newest requests.",
    type: "gauge",
    read: ({ completionTokensPerSecond }) => completionTokensPerSecond,
  },
  {
    name: "llamacpp:requests_processing",
    help: "Number of requests processing.",
    type: "gauge",
    read: ({ active }) => active,
  },
  {
    name: "llamacpp:requests_deferred",
    help: "Number of requests that wait for a slot.",
    type: "gauge",
    read: ({ queued }) => queued,
  },
  {
    name: "lmagent:requests_total",
    help: "Number of requests since the model was loaded.",
    type: "counter",
    read: ({ requests }) => requests,
  },
  {
    name: "lmagent:requests_failed_total",
    help: "Number of requests that failed.",
    type: "counter",
    read: ({ failed }) => failed,
  },
  {
    name: "lmagent:prompt_tokens_cached_total",
    help: "Number of prompt tokens that were evaluated already.",
    type: "counter",
    read: ({ cachedTokens }) => cachedTokens,
  },
  ...([0.5, 0.95] as const).map((quantile): Metric => ({
    name: "lmagent:time_to_first_token_seconds",
    help: "Time from request to first token of the newest requests.",
    type: "gauge",
    labels: { quantile: String(quantile) },
    read: ({ firstTokenMs }) => toSeconds(quantile === 0.5 ? firstTokenMs?.p50 : firstTokenMs?.p95),
  })),
  {
    name: "lmagent:model_users",
    help: "Number of clients that use the model.",
    type: "gauge",
    read: (_, { users }) => users,
  },
  {
    name: "lmagent:model_resident_bytes",
    help: "Memory that the model takes.",
    type: "gauge",
    read: (_, { residentBytes }) => residentBytes,
  },
];

export const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export function toMetricsText(models: readonly LoadedModel[]): string {
  const read = models.map((model) => ({ model, stats: model.stats() }));
  const names = new Set<string>();
  const lines = METRICS.flatMap((metric) => {
    const head = names.has(metric.name)
      ? []
      : [`# HELP ${metric.name} ${metric.help}`, `# TYPE ${metric.name} ${metric.type}`];
    names.add(metric.name);
    const samples = read.flatMap(({ model, stats }) => {
      const value = metric.read(stats, model);
      return value === undefined
        ? []
        : [`${metric.name}${toLabels({ model: model.id, ...metric.labels })} ${value}`];
    });
    return [...head, ...samples];
  });
  return `${[...lines, "# HELP lmagent:models_loaded Number of models in memory.", "# TYPE lmagent:models_loaded gauge", `lmagent:models_loaded ${models.length}`].join("\n")}\n`;
}

function toSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

function toLabels(labels: Readonly<Record<string, string>>): string {
  const escape = (value: string): string =>
    value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escape(value)}"`)
    .join(",")}}`;
}
