// Spans by the OpenTelemetry SDK for Node, as OTLP/JSON: node sdk.mjs ENDPOINT SPANS
import { createRequire } from "node:module";

// The packages stand in the cache folder, not beside this file.
const load = createRequire(`${process.env.E2E_CACHE}/package.json`);
const { OTLPTraceExporter } = load("@opentelemetry/exporter-trace-otlp-http");
const { resourceFromAttributes } = load("@opentelemetry/resources");
const { BatchSpanProcessor, NodeTracerProvider } = load("@opentelemetry/sdk-trace-node");

const [endpoint, spans] = process.argv.slice(2);
const exporter = new OTLPTraceExporter({ url: `${endpoint}/v1/traces` });
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": "node-json" }),
  spanProcessors: [new BatchSpanProcessor(exporter, { scheduledDelayMillis: 200, maxQueueSize: 100_000 })],
});
const tracer = provider.getTracer("e2e");
for (let number = 0; number < Number(spans); number++) {
  tracer.startSpan("GET /cart", { attributes: { "cart.size": number % 7 } }).end();
  if (number % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
}
await provider.shutdown();
