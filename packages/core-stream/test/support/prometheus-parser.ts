/** Reads the text format 0.0.4 as strictly as Prometheus does: what it would refuse throws. */
export interface ParsedFamily {
  readonly type: string;
  readonly help: string | undefined;
  /** Values by series: `name{label=value,…}`, unescaped. */
  readonly samples: Record<string, number>;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/;
const VALUE = /^(?:[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?|[+-]Inf|NaN)$/;

const unescape = (text: string) =>
  text.replace(/\\(.)/gs, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));

function parseSample(line: string): { name: string; series: string; value: number } {
  const name = NAME.exec(line)?.[0];
  if (name === undefined) throw new Error(`no name: ${line}`);
  let rest = line.slice(name.length);
  const labels: string[] = [];
  if (rest.startsWith('{')) {
    do {
      rest = rest.slice(1);
      const label = LABEL.exec(rest);
      if (label === null) throw new Error(`no label at '${rest}' in ${line}`);
      labels.push(`${label[1]}=${unescape(label[2]!)}`);
      rest = rest.slice(label[0].length);
    } while (rest.startsWith(','));
    if (!rest.startsWith('}')) throw new Error(`labels do not end: ${line}`);
    rest = rest.slice(1);
  }
  const value = rest.trimStart();
  if (!VALUE.test(value)) throw new Error(`no value '${value}' in ${line}`);
  const number = Number(value.replace('Inf', 'Infinity'));
  return { name, series: labels.length === 0 ? name : `${name}{${labels.join(',')}}`, value: number };
}

export function parsePrometheus(text: string): Record<string, ParsedFamily> {
  const families: Record<string, ParsedFamily> = {};
  if (text === '') return families;
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  let help: readonly [string, string] | undefined;
  let current: string | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const comment = /^# (HELP|TYPE) (\S+) (.*)$/s.exec(line);
    if (comment?.[1] === 'HELP') help = [comment[2]!, unescape(comment[3]!)];
    else if (comment?.[1] === 'TYPE') {
      current = comment[2]!;
      if (current in families) throw new Error(`a second TYPE of ${current}`);
      if (!['counter', 'gauge', 'summary'].includes(comment[3]!)) throw new Error(`bad type: ${line}`);
      if (help !== undefined && help[0] !== current) throw new Error(`HELP of ${help[0]} before ${current}`);
      families[current] = { type: comment[3]!, help: help?.[1], samples: {} };
      help = undefined;
    } else {
      const { name, series, value } = parseSample(line);
      const family = current === undefined ? undefined : families[current];
      const isPart = name === current || [`${current}_sum`, `${current}_count`].includes(name);
      if (family === undefined || !isPart) throw new Error(`a sample outside of its family: ${line}`);
      if (name !== current && family.type !== 'summary') throw new Error(`not a summary: ${line}`);
      if (series in family.samples) throw new Error(`twice: ${line}`);
      family.samples[series] = value;
    }
  }
  return families;
}
