import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KafkaBroker } from '@millrace/testkit';
import { BrokerProxy } from '../../../../tooling/broker-proxy.js';

/** Of Kafka's protocol: what a sink's writers and committer ask, and which of so many answers get lost. */
const lostAnswers = new Map([
  [0, 7], // Produce
  [22, 4], // InitProducerId
  [24, 4], // AddPartitionsToTxn
  [26, 3], // EndTxn
]);

/** A real Kafka behind one address, that of its broker before and after a crash. */
export class ProxiedKafka {
  readonly #directory: string;
  readonly #proxy: BrokerProxy;
  #broker: KafkaBroker | undefined;
  /** Answers that were thrown away after the broker had acted. */
  lost = 0;

  static async start(): Promise<ProxiedKafka> {
    const directory = await mkdtemp(join(tmpdir(), 'millrace-proxied-kafka-'));
    const kafka = new ProxiedKafka(directory, await BrokerProxy.open());
    await kafka.#startBroker();
    return kafka;
  }

  private constructor(directory: string, proxy: BrokerProxy) {
    this.#directory = directory;
    this.#proxy = proxy;
  }

  get bootstrapServers(): string {
    return this.#proxy.address;
  }

  /** Whether some of the answers to writers and committers get lost from now on: the first of each kind, and others. */
  loseAnswers(areLost: boolean): void {
    const asked = new Map<number, number>();
    this.lost = 0;
    this.#proxy.losesAnswerTo = (apiKey) => {
      const oneIn = areLost ? lostAnswers.get(apiKey) : undefined;
      if (oneIn === undefined) return false;
      const nth = asked.get(apiKey) ?? 0;
      asked.set(apiKey, nth + 1);
      if (nth % oneIn !== 0) return false;
      this.lost += 1;
      return true;
    };
  }

  /** Kills the broker's JVM, and starts another one with its data. */
  async restart(): Promise<void> {
    this.#proxy.targetPort = undefined;
    await this.#broker?.kill();
    await this.#broker?.stop();
    await this.#startBroker();
  }

  async stop(): Promise<void> {
    await this.#broker?.stop();
    await this.#proxy.close();
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #startBroker(): Promise<void> {
    this.#broker = await KafkaBroker.start({
      dataDir: join(this.#directory, 'data'),
      properties: { 'advertised.listeners': `PLAINTEXT://${this.#proxy.address}` },
    });
    this.#proxy.targetPort = this.#broker.port;
  }
}
