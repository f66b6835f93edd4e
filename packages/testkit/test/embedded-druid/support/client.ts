import { EmbeddedDruid } from '../../../src/index.js';
import type { EmbeddedDruidOptions } from '../../../src/index.js';
import { DruidHttp } from '../../../src/contract/druid-http.js';

/** A started server and a way to talk to it. */
export async function startDruid(
  options: EmbeddedDruidOptions = {},
): Promise<{ druid: EmbeddedDruid; http: DruidHttp }> {
  const druid = await EmbeddedDruid.start(options);
  return { druid, http: new DruidHttp(druid.url, {}, 45_000) };
}
