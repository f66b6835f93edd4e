export { DruidCluster, type DruidClusterOptions } from './druid-cluster/druid-cluster.js';
export type { DruidHistorical, DruidHistoricalOptions } from './druid-cluster/druid-historical.js';
export type { BasicSecurityOptions, DruidCredentials, DruidVersion } from './druid-cluster/druid-flavour.js';
export type { DruidProperties, DruidRole } from './druid-cluster/druid-properties.js';
export { KafkaBroker, type KafkaBrokerOptions, type SecureListener } from './kafka-broker/kafka-broker.js';
export {
  RealServerError,
  type RealServerErrorCode,
  type RealServerErrorDetails,
} from './java-runtime/real-server-error.js';
export {
  isRealServerAvailable,
  requireRealServers,
  type RealServerAvailability,
} from './java-runtime/required-tools.js';
export type { OnStartProgress, StartProgress } from './java-runtime/start-progress.js';
export { appendRows, type AppendedRow, type AppendOptions, type AppendTarget } from './ingest/append-rows.js';
export { EmbeddedDruid } from './embedded-druid/embedded-druid.js';
export type { Clock, EmbeddedDruidOptions, EmbeddedLogger } from './embedded-druid/options.js';
export type { Fault } from './embedded-druid/faults.js';
export { FaultProxy, type FaultProxyOptions } from './fault-proxy/fault-proxy.js';
export {
  FaultProxyError,
  type FaultProxyErrorCode,
  type FaultProxyErrorDetails,
} from './fault-proxy/fault-proxy-error.js';
export type { FaultRule, RequestMatch } from './fault-proxy/fault-rules.js';
export type { ProxyFault } from './fault-proxy/proxy-fault.js';
export type { ProxiedOutcome, ProxiedRequest } from './fault-proxy/request-log.js';
