import { parseArgs, type ParseArgsConfig } from 'node:util';
import { UsageError, type CommandOption } from './command.js';

/** A command's arguments, taken apart. Every getter throws {@link UsageError} for a value that cannot be. */
export class Arguments {
  readonly operands: readonly string[];
  private readonly values: Readonly<Record<string, unknown>>;

  constructor(argv: readonly string[], options: Readonly<Record<string, CommandOption>>) {
    const config: NonNullable<ParseArgsConfig['options']> = {};
    for (const [name, { value, isRepeatable = false }] of Object.entries(options)) {
      config[name] = { type: value === undefined ? 'boolean' : 'string', multiple: isRepeatable };
    }
    try {
      const parsed = parseArgs({ args: [...argv], options: config, allowPositionals: true, tokens: true });
      for (const [name, { isRepeatable }] of Object.entries(options)) {
        const given = parsed.tokens.filter((token) => token.kind === 'option' && token.name === name);
        if (given.length > 1 && isRepeatable === undefined) throw new Error(`--${name} was given twice`);
      }
      this.operands = parsed.positionals;
      this.values = parsed.values;
    } catch (error) {
      // Node goes on to say how to pass such a text as an operand, which nobody meant.
      throw new UsageError((error as Error).message.replace(/\. To specify a positional.*/s, ''));
    }
  }

  flag(name: string): boolean {
    return this.values[name] === true;
  }

  text(name: string): string | undefined {
    return this.values[name] as string | undefined;
  }

  list(name: string): readonly string[] {
    return (this.values[name] ?? []) as string[];
  }

  oneOf<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const choice = choices.find((known) => known === text);
    if (choice !== undefined) return choice;
    throw new UsageError(`--${name} is one of ${choices.join(', ')}, got ${text}`);
  }

  wholeNumber(name: string, minimum: number): number | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    if (Number.isSafeInteger(number) && number >= minimum) return number;
    throw new UsageError(`--${name} is a whole number from ${minimum} on, got ${text}`);
  }

  /** The only operand. */
  one(what: string): string {
    const [operand, ...others] = this.operands;
    if (operand !== undefined && operand !== '' && others.length === 0) return operand;
    throw new UsageError(`there must be one ${what}, got ${this.operands.length}`);
  }

  /** The only operand, if there is one. */
  oneAtMost(what: string): string | undefined {
    return this.operands.length === 0 ? undefined : this.one(what);
  }

  /** Where there are no operands. */
  none(): void {
    if (this.operands.length > 0) throw new UsageError(`there is no argument '${this.operands[0]}' here`);
  }
}
