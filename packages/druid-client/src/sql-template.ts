/**
 * SQL written as a template, whose values travel as typed parameters.
 *
 * Invariant 1: no value becomes text. The text is made of the program's own literals, `?`, checked identifiers, and
 * what this package writes itself ({@link ownText}: external tables, for which Druid takes no parameters).
 * Invariant 2: the statement has as many `?` in its code as parameters, in the same order.
 * Invariant 3: nothing is put into a string, a quoted name or a comment, where a `?` would be text and a quote an exit.
 */
import { DruidConfigError } from './errors.js';
import { toTypedParameter, type SqlParameter, type SqlTypedParameter } from './sql-parameters.js';
import { scanSql, type SqlPlace } from './sql-text.js';

/** What may be interpolated into {@link sql}: a parameter, or another piece of SQL. */
export type SqlTemplateValue = SqlParameter | SqlFragment;

/** The statement that a fragment stands for, as Druid takes it. */
export interface SqlStatement {
  readonly text: string;
  readonly parameters: readonly SqlTypedParameter[];
}

/** What a query may be: text (with `?` and the option `parameters`), or a template, which brings its own. */
export type SqlQueryText = string | SqlFragment;

// Only this module makes fragments: an object that merely looks like one, parsed from a request perhaps, is none.
const construction = Symbol('construction');

/** A piece of SQL together with its parameters. Made by {@link sql}; immutable. */
export class SqlFragment {
  readonly #text: string;
  readonly #parameters: readonly SqlTypedParameter[];

  /** @internal */
  constructor(key: symbol, text: string, parameters: readonly SqlTypedParameter[]) {
    if (key !== construction) throw misuse('A fragment is made by the tag sql`…` only.');
    this.#text = text;
    this.#parameters = parameters;
  }

  /** Whether `value` is a fragment of this package. */
  static is(value: unknown): value is SqlFragment {
    return typeof value === 'object' && value !== null && #text in value;
  }

  /**
   * The text with a `?` for every value, and the values in order. `query` and `stream` call it; it is of use for
   * logging, and for the places that take text and parameters apart.
   *
   * @example sql`SELECT ${1} + ${2}`.toStatement() // { text: 'SELECT ? + ?', parameters: [{ type: 'BIGINT', value: 1 }, …] }
   */
  toStatement(): SqlStatement {
    return { text: this.#text, parameters: this.#parameters };
  }
}

/**
 * Writes SQL whose values can only become typed parameters. Fragments nest; names come from {@link sql.identifier}.
 * There is no way to put a value into the text.
 *
 * @example
 * const since = sql`__time >= ${new Date('2026-01-01')}`;
 * await druid.sql.query(sql`SELECT page FROM ${sql.identifier('edits')} WHERE ${since} AND page IN (${sql.list(pages)})`);
 * @throws DruidConfigError for a value that no SQL type holds, for a `?` written by hand, and for a value inside quotes
 */
export function sql(strings: TemplateStringsArray, ...values: readonly SqlTemplateValue[]): SqlFragment {
  // A plain call could pass a text from anywhere; the engine freezes what it passes to a tag.
  if (!Array.isArray(strings) || !Array.isArray(strings.raw) || !Object.isFrozen(strings)) {
    throw misuse('sql is a tag of a template: write sql`SELECT …`, not sql(…).');
  }
  checkLiterals(strings);
  let text = strings[0] as string;
  const parameters: SqlTypedParameter[] = [];
  for (let i = 0; i < values.length; i++) {
    text += append(values[i] as SqlTemplateValue, parameters) + (strings[i + 1] as string);
  }
  return fragment(text, parameters);
}

/**
 * A name, quoted: of a table, a column, or a path of names.
 *
 * @example sql.identifier('sys', 'segments') // "sys"."segments"
 * @throws DruidConfigError for anything but a string, for the empty name and for a name with a zero byte or a line break
 */
function identifier(name: string, ...more: readonly string[]): SqlFragment {
  return fragment([name, ...more].map(quoted).join('.'), []);
}

/**
 * Joins fragments, or values as parameters, by commas or by a fragment of your own.
 *
 * @example sql.join([sql`a = ${1}`, sql`b = ${2}`], sql` AND `)
 * @throws DruidConfigError for no items at all: whether that means "all" or "none" only the caller knows
 */
function join(items: Iterable<SqlTemplateValue>, separator: SqlFragment = comma): SqlFragment {
  return joined('sql.join', items, separator);
}

/**
 * The values of an IN list, a `?` each: `page IN (${sql.list(pages)})`.
 *
 * @throws DruidConfigError for an empty list. SQL has none, and no stand-in is right for both IN and NOT IN (with NULL,
 * neither finds anything), so decide by `pages.length` what an empty list means.
 */
function list(values: Iterable<SqlParameter>): SqlFragment {
  return joined('sql.list', values, comma);
}

/**
 * A value of type ARRAY as one parameter, for `SCALAR_IN_ARRAY`, `ARRAY_CONTAINS`, …, with elements of one type. Long
 * lists plan faster as `SCALAR_IN_ARRAY(page, ${sql.array(pages)})` than as an IN list. Needs Druid 30 or newer.
 *
 * @throws DruidConfigError for an empty array, whose type Druid could not tell, and for elements that are no plain values
 */
function array(values: Iterable<string | number | bigint | boolean>): SqlFragment {
  const elements = [...values].map((value, index) => {
    if (value === null || typeof value === 'object') {
      throw misuse(
        `sql.array: element ${index} is ${value === null ? 'null' : 'an object'}; it takes strings, numbers, bigints and booleans.`,
      );
    }
    return toTypedParameter(value, index).value;
  });
  if (elements.length === 0) throw misuse('sql.array got no elements, so Druid could not tell its type.');
  return fragment('?', [{ type: 'ARRAY', value: elements }]);
}

sql.identifier = identifier;
sql.join = join;
sql.list = list;
sql.array = array;
/** Nothing: for a part of a query that is left out. */
sql.empty = fragment('', []);

const comma = fragment(', ', []);

/**
 * The statement of a query in either form.
 *
 * @throws DruidConfigError if a template also comes with `parameters`, or text with more of them than it has `?`
 */
export function statementOf(
  query: SqlQueryText,
  parameters: readonly SqlParameter[] | undefined,
): SqlStatement {
  if (typeof query === 'string') return textStatement(query, parameters ?? []);
  if (!SqlFragment.is(query)) throw misuse(`A query is text or a template sql\`…\`, not ${describe(query)}.`);
  if (parameters !== undefined) {
    throw misuse("A template brings its own parameters: leave out the option 'parameters'.");
  }
  const statement = query.toStatement();
  // Two fragments may form a comment or a quote where they meet, which neither shows alone (invariant 2).
  const { end, placeholders } = scanSql(statement.text);
  if (end !== 'code') throw misuse(`The composed SQL ends inside a ${end}.`);
  if (placeholders.length !== statement.parameters.length) {
    throw misuse(
      `The composed SQL has ${placeholders.length} places for ${statement.parameters.length} parameters: do fragments form a comment or a quote where they meet?`,
    );
  }
  return statement;
}

/** Times travel as they do in templates: the text of the statement changes at their `?`. */
function textStatement(text: string, values: readonly SqlParameter[]): SqlStatement {
  const parameters: SqlTypedParameter[] = [];
  if (values.length === 0) return { text, parameters };
  const { placeholders } = scanSql(text);
  if (values.length > placeholders.length) {
    // Druid would ignore the others.
    throw misuse(
      `There are ${values.length} parameters for ${placeholders.length} places: the SQL has a ? for each.`,
    );
  }
  let [sent, end] = ['', 0];
  values.forEach((value, index) => {
    const at = placeholders[index]!;
    sent += text.slice(end, at) + place(value, parameters);
    end = at + 1;
  });
  return { text: sent + text.slice(end), parameters };
}

/**
 * Text that this package has written, with every name and value in it quoted.
 *
 * @internal
 */
export function ownText(text: string): SqlFragment {
  return fragment(text, []);
}

function fragment(text: string, parameters: readonly SqlTypedParameter[]): SqlFragment {
  return new SqlFragment(construction, text, Object.freeze(parameters));
}

function append(value: SqlTemplateValue, parameters: SqlTypedParameter[]): string {
  if (SqlFragment.is(value)) {
    const statement = value.toStatement();
    for (const parameter of statement.parameters) parameters.push(parameter);
    return statement.text;
  }
  return place(value, parameters);
}

/** Adds the parameter; returns the text that stands for it. */
function place(value: SqlParameter, parameters: SqlTypedParameter[]): string {
  const parameter = toTypedParameter(value, parameters.length); // invariant 1
  if (!(value instanceof Date)) {
    parameters.push(parameter);
    return '?';
  }
  // A TIMESTAMP parameter loses its milliseconds up to Druid 27, at least; this is folded into the plan as it is.
  parameters.push({ type: 'BIGINT', value: parameter.value });
  return 'MILLIS_TO_TIMESTAMP(?)';
}

function joined(caller: string, items: Iterable<SqlTemplateValue>, separator: SqlFragment): SqlFragment {
  if (typeof items === 'string') throw misuse(`${caller} takes a list, not one text.`);
  if (!SqlFragment.is(separator))
    throw misuse(`${caller}: the separator is a template such as sql\` AND \`.`);
  const parameters: SqlTypedParameter[] = [];
  const texts: string[] = [];
  let isFirst = true;
  for (const item of items) {
    if (!isFirst) texts.push(append(separator, parameters));
    texts.push(append(item, parameters));
    isFirst = false;
  }
  if (isFirst)
    throw misuse(`${caller} got an empty list, which SQL cannot express. Decide before it what that means.`);
  return fragment(texts.join(''), parameters);
}

function quoted(name: unknown): string {
  if (typeof name !== 'string') throw misuse(`An identifier must be a string, not ${describe(name)}.`);
  if (name === '') throw misuse('An identifier must not be empty.');
  const illegal = name.includes('\0') ? 'a zero byte' : /[\r\n]/.test(name) ? 'a line break' : undefined;
  if (illegal !== undefined) {
    throw misuse(`The identifier ${JSON.stringify(name)} holds ${illegal}, which Druid's SQL cannot quote.`);
  }
  return `"${name.replaceAll('"', '""')}"`;
}

// A template's literals are the same object at every call, so each is looked at once.
const checked = new WeakSet<TemplateStringsArray>();

function checkLiterals(strings: TemplateStringsArray): void {
  if (checked.has(strings)) return;
  strings.forEach((literal: string | undefined, i) => {
    if (literal === undefined)
      throw misuse('The template holds an escape sequence that JavaScript does not know.');
    const { end, placeholders } = scanSql(literal);
    if (placeholders.length > 0) {
      throw misuse(
        `A '?' is written out in ${JSON.stringify(excerpt(literal))}: put the value there instead, as \${value}.`,
      );
    }
    const isLast = i === strings.length - 1;
    // U&"…" is a name with escapes, which would turn a backslash of the name into something else.
    if (!isLast && /u&$/i.test(literal)) throw misuse(`A value stands directly behind ${literal.slice(-2)}.`);
    if (end !== 'code') throw isLast ? unclosed(end, literal) : insideQuotes(end, literal); // invariant 3
  });
  checked.add(strings);
}

function insideQuotes(place: SqlPlace, literal: string): DruidConfigError {
  const remedy =
    place === 'identifier' ? 'Use sql.identifier(name)' : 'Write ${value} without quotes around it';
  return misuse(`A value stands inside a ${place} after ${JSON.stringify(excerpt(literal))}. ${remedy}.`);
}

function unclosed(place: SqlPlace, literal: string): DruidConfigError {
  const remedy = place === 'line comment' ? 'End it with a line break' : 'Close it';
  return misuse(`The template ends inside a ${place}: ${JSON.stringify(excerpt(literal))}. ${remedy}.`);
}

const excerpt = (literal: string): string => (literal.length <= 60 ? literal : `…${literal.slice(-60)}`);

function describe(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`;
}

function misuse(message: string): DruidConfigError {
  return new DruidConfigError({ message, details: { option: 'sql' } });
}
