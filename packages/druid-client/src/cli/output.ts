import type { Arguments } from './arguments.js';
import type { CommandContext, CommandOption } from './command.js';
import { rowFormats, type RowFormat, type RowOptions } from './row-formats.js';

// Where a table does not go to a terminal: as much as editors and pagers bear.
const defaultWidth = 160;

export const outputOptions = {
  format: { value: 'FORMAT', help: `${rowFormats.join(', ')}; table unless given` },
  width: {
    value: 'CELLS',
    help: `the longest line of a table: the terminal's, elsewhere ${defaultWidth}, unless given; 0 cuts nothing`,
  },
} satisfies Record<string, CommandOption>;

/** How to print rows, by the arguments, once it is known where to. @throws UsageError */
export function outputOf(
  args: Arguments,
  defaultFormat: RowFormat = 'table',
): (context: Pick<CommandContext, 'io' | 'note'>) => RowOptions {
  const format = args.oneOf('format', rowFormats) ?? defaultFormat;
  const width = args.wholeNumber('width', 0);
  return ({ io, note }) => ({ format, width: width ?? io.terminalWidth ?? defaultWidth, note });
}
