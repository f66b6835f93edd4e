import { DruidConfigError } from './errors.js';
import { DruidClusterApi } from './management/cluster.js';
import { DruidCompaction } from './management/compaction.js';
import { DruidDatasources } from './management/datasources.js';
import { DruidNative } from './native/druid-native.js';
import type { DruidClientOptions, ServerChange } from './options.js';
import { DruidMsq } from './msq/msq.js';
import { DruidStatements } from './msq/statements.js';
import { DruidSql } from './sql.js';
import { DruidDynamicConfig } from './management/dynamic-config.js';
import { DruidLookups } from './management/lookups.js';
import { DruidRules } from './management/rules.js';
import { DruidSecurity } from './management/security.js';
import { DruidSupervisors } from './management/supervisors.js';
import { DruidTasks } from './management/tasks.js';
import { Transport, type DruidServerState } from './transport.js';

/**
 * A client of one Druid cluster, addressed through its Router, or several. Construction does no I/O; one client serves any
 * number of concurrent calls and keeps its connections until {@link DruidClient.close}.
 *
 * @example
 * const druid = new DruidClient({ url: 'http://localhost:8888' });
 * console.log(await druid.sql.query('SELECT 1 AS answer')); // [{ answer: 1 }]
 * druid.close();
 * @throws DruidConfigError
 */
export class DruidClient {
  readonly sql: DruidSql;
  readonly native: DruidNative;
  readonly msq: DruidMsq;
  readonly statements: DruidStatements;
  readonly tasks: DruidTasks;
  readonly supervisors: DruidSupervisors;
  readonly datasources: DruidDatasources;
  readonly cluster: DruidClusterApi;
  readonly rules: DruidRules;
  readonly lookups: DruidLookups;
  readonly compaction: DruidCompaction;
  readonly config: DruidDynamicConfig;
  private readonly transport: Transport;

  constructor(options: DruidClientOptions);
  constructor(options: DruidClientOptions | Transport) {
    // A program without types gives the address alone.
    if (typeof (options as unknown) !== 'object') {
      throw new DruidConfigError({
        message: "The client takes an object: new DruidClient({ url: 'http://localhost:8888' }).",
        details: { option: 'url' },
      });
    }
    this.transport = options instanceof Transport ? options : new Transport(options);
    this.sql = new DruidSql(this.transport);
    this.native = new DruidNative(this.transport);
    this.tasks = new DruidTasks(this.transport);
    this.msq = new DruidMsq(this.transport, this.tasks);
    this.statements = new DruidStatements(this.transport);
    this.supervisors = new DruidSupervisors(this.transport);
    this.datasources = new DruidDatasources(this.transport, this.sql);
    this.cluster = new DruidClusterApi(this.transport);
    this.rules = new DruidRules(this.transport);
    this.lookups = new DruidLookups(this.transport);
    this.compaction = new DruidCompaction(this.transport);
    this.config = new DruidDynamicConfig(this.transport);
  }

  /** Users, roles and permissions of basic security, under the names of the server's configuration. Does no I/O. */
  security(authenticatorName: string, authorizerName: string): DruidSecurity {
    return new DruidSecurity(this.transport, authenticatorName, authorizerName);
  }

  /**
   * A client of other servers of the same cluster, such as one of its Historicals: the same credentials, TLS, proxy, hooks and
   * limits, over the same connections. These servers are trusted with the credentials as those of `url` are. Closing it
   * ends its own calls alone; closing this one ends both and frees the connections.
   *
   * @example const historical = druid.withUrl('http://historical-1:8083', { retry: { maxAttempts: 1 } });
   * @throws DruidConfigError
   */
  withUrl(url: string | readonly string[], change: ServerChange = {}): DruidClient {
    return new DruidClient(this.transport.withUrl(url, change) as never); // what the constructor takes of this package alone
  }

  /** The address of the server that calls go to at present, without credentials: safe to log. */
  get url(): string {
    return this.transport.baseUrl;
  }

  /** All servers of the option `url`, and which of them have not answered of late. */
  get servers(): DruidServerState[] {
    return this.transport.serverStates();
  }

  /** Ends what is under way (in {@link DruidAbortedError}) and frees the connections. */
  close(): void {
    this.transport.close();
  }
}
