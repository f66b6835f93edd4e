export { PROMETHEUS_CONTENT_TYPE, prometheusText } from './prometheus-text.js';
export type { MetricSource } from './prometheus-text.js';
export { prometheusHandler } from './prometheus-handler.js';
