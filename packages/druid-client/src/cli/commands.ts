import type { Command } from './command.js';
import { datasources, segments } from './datasource-commands.js';
import { servers, supervisors, tasks } from './list-commands.js';
import { explain, query } from './query-commands.js';
import { supervisor, tail, task } from './task-commands.js';

/** All commands, in the order of `--help`. */
export const commands: Readonly<Record<string, Command>> = {
  query,
  explain,
  datasources,
  segments,
  servers,
  supervisors,
  supervisor,
  tasks,
  task,
  tail,
};
