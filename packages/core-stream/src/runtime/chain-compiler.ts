/**
 * Turns what follows an operator in its chain into one function.
 *
 * Role: runs of `map` and `filter`, branches included, become one generated function per output, so that V8 sees each
 * call site with one target and can inline the whole run. Boundary: two ways to the same behaviour, generated code
 * and closures (where a process forbids code generation from strings); the same tests pass on both.
 *
 * Invariants
 * 1. A record reaches the targets in the order in which they were added, depth first.
 * 2. What a function throws is wrapped once, with the operator's name and the value it was given.
 * 3. What is emitted outside of the task's turn is refused, before it is counted.
 * 4. Generated code contains no text of the program: user functions, operators and counters are passed in as values.
 */
import type { Counter } from '../metrics/counter.js';
import type { ChainedOperator, Target } from './chain-output.js';
import { recordError } from './operator-error.js';
import type { Turn } from './turn.js';

export type Collect = (value: unknown, timestamp: number) => void;

/** A generated function grows no further than this many operators: V8 stops optimising very large ones. */
const MAX_FUSED = 48;

/** Whether this process may generate code (`--disallow-code-generation-from-strings` forbids it). */
export function canGenerateCode(): boolean {
  try {
    return (new Function('return true') as () => boolean)();
  } catch {
    return false;
  }
}

/** An operator's own emission, which is counted, and refused where the task does not have its turn. */
export interface Emission {
  readonly count: Counter;
  readonly turn: Turn;
  /** Called for a record that is emitted outside of the turn; the record goes no further. */
  readonly refuse: () => void;
}

/** `emission` is left out where another function has seen to it. `uid` names the function in stack traces. */
export function compileCollect(
  targets: readonly Target[],
  emission: Emission | undefined,
  uid: string,
  isGenerated: boolean,
): Collect {
  if (isGenerated) return generate(targets, emission, uid);
  const collect = compose(targets);
  return emission === undefined ? collect : composeEmission(emission, collect);
}

// With generated code.

class Generator {
  /** What the generated code refers to, by the name `c[i]`. */
  readonly constants: unknown[] = [];
  readonly operators: ChainedOperator[] = [];
  /** Per operator, the variable that holds what it was given. */
  readonly seen: string[] = [];
  body = '';
  #variables = 1;

  constant(value: unknown): string {
    const known = this.constants.indexOf(value);
    return `c${known >= 0 ? known : this.constants.push(value) - 1}`;
  }

  targets(targets: readonly Target[], value: string, uid: string): void {
    for (const target of targets) {
      if (target.kind === 'writer') {
        this.body += `${this.constant(target.writer)}.write(${value},t);\n`;
        continue;
      }
      const { chained, output } = target;
      const at = this.operators.push(chained) - 1;
      this.seen.push(value);
      this.body += `at=${at};\n`;
      const { fused } = chained.operator;
      if (fused === undefined) {
        this.body += `${this.constant(chained.operator)}.processElement(${value},t);\n`;
        continue;
      }
      const next = () => {
        if (this.operators.length < MAX_FUSED) this.targets(output.main, result, uid);
        else
          this.body += `${this.constant(compileCollect(output.main, undefined, `${uid}+`, true))}(${result},t);\n`;
      };
      const apply = `${this.constant(fused.apply)}(${value})`;
      let result = value;
      if (fused.kind === 'map') {
        result = `v${this.#variables++}`;
        this.body += `${result}=${apply};\n`;
        next();
      } else {
        this.body += `if(${apply}){${this.constant(output.metrics.out)}.value++;\n`;
        next();
        this.body += '}\n';
      }
    }
  }

  get variables(): string {
    return Array.from({ length: this.#variables - 1 }, (_, i) => `,v${i + 1}`).join('');
  }
}

let generated = 0;

function generate(targets: readonly Target[], emission: Emission | undefined, uid: string): Collect {
  const generator = new Generator();
  const emitting =
    emission === undefined
      ? ''
      : `if(!${generator.constant(emission.turn)}.isOpen){${generator.constant(emission.refuse)}();return;}
${generator.constant(emission.count)}.value++;
`;
  generator.targets(targets, 'v0', uid);
  const cases = generator.seen.map((value, at) => `case ${at}:throw fail(e,${at},${value});`).join('');
  // A source URL of its own keeps V8 from sharing code, and with it type feedback, between chains.
  const name = `millrace/${uid.replaceAll(/[^\w.-]/g, '_')}/${++generated}`;
  const source = `'use strict';
return function collect(v0,t){
${emitting}let at=-1${generator.variables};
try{
${generator.body}}catch(e){switch(at){${cases}default:throw e;}}
}
//# sourceURL=${name}`;
  const names = generator.constants.map((_, i) => `c${i}`);
  const fail = (error: unknown, at: number, value: unknown) =>
    recordError(error, generator.operators[at]!, value);

  return (new Function('fail', ...names, source) as (...values: unknown[]) => Collect)(
    fail,
    ...generator.constants,
  );
}

// With closures.

function composeEmission({ count, turn, refuse }: Emission, collect: Collect): Collect {
  return (value, timestamp) => {
    if (!turn.isOpen) {
      refuse();
      return;
    }
    count.value++;
    collect(value, timestamp);
  };
}

function compose(targets: readonly Target[]): Collect {
  const each = targets.map(composeOne);
  const [only] = each;
  if (only !== undefined && each.length === 1) return only;
  return (value, timestamp) => {
    for (const collect of each) collect(value, timestamp);
  };
}

function composeOne(target: Target): Collect {
  if (target.kind === 'writer') {
    const { writer } = target;
    return (value, timestamp) => writer.write(value, timestamp);
  }
  const { chained, output } = target;
  const { operator } = chained;
  const { fused } = operator;
  if (fused === undefined) {
    return (value, timestamp) => {
      try {
        operator.processElement(value, timestamp);
      } catch (error) {
        throw recordError(error, chained, value);
      }
    };
  }
  const guarded = <R>(apply: (value: unknown) => R): ((value: unknown) => R) => {
    return (value) => {
      try {
        return apply(value);
      } catch (error) {
        throw recordError(error, chained, value);
      }
    };
  };
  if (fused.kind === 'map') {
    const next = compose(output.main);
    const apply = guarded(fused.apply);
    return (value, timestamp) => next(apply(value), timestamp);
  }
  const next = compose(output.main);
  const count = output.metrics.out;
  const apply = guarded(fused.apply);
  return (value, timestamp) => {
    if (!apply(value)) return;
    count.value++;
    next(value, timestamp);
  };
}
