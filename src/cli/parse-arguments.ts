/**
 * Parses the arguments of the process.
 *
 * Thread: supervisor (on the main thread). node:util splits them. This file decides what is
 * allowed, so that a message about a mistyped name can suggest the right name.
 */
import { parseArgs } from 'node:util';
import { suggestName } from '../config/check/nearest-name.js';
import { STANDARD_INPUT } from '../config/source/piped-file.js';
import { type CommandArguments, type CommandIo, UsageError } from './command-io.js';
import {
  COMMAND_NAMES,
  COMMANDS,
  type CommandName,
  GLOBAL_OPTIONS,
  type OptionSpec,
} from './usage.js';

/** What the user asked for. */
export type ParsedCommandLine =
  /** `of`: null: of all commands. */
  | { readonly kind: 'help'; readonly of: CommandName | null }
  | { readonly kind: 'version' }
  | { readonly kind: 'command'; readonly name: CommandName; readonly args: CommandArguments };

const ALL_OPTIONS: readonly OptionSpec[] = [
  ...COMMAND_NAMES.flatMap((name) => COMMANDS[name].options),
  ...GLOBAL_OPTIONS,
];

interface GivenOption {
  readonly name: string;
  readonly rawName: string;
  readonly value: string | undefined;
  readonly isInline: boolean;
}

/** Parses what follows the program's name. Throws {@link UsageError}. */
export function parseCommandLine(
  argv: readonly string[],
  env: CommandIo['env'],
): ParsedCommandLine {
  const { positionals, given } = splitArguments(argv);
  // Help comes first, whatever else is wrong: the user asks how to call the program.
  if (given.some(({ name }) => name === 'help')) return helpOf(positionals[0]);
  const [word = 'run', ...words] = positionals;
  if (word === 'help') return helpOf(words[0]);
  if (word === 'version') return { kind: word };
  // This check comes before that of the words: a word after a mistyped option is its value.
  refuseUnknownOptions(word, given);
  const name = readCommand(word);
  const values = readOptions(name, given);
  const { words: names = [] } = COMMANDS[name];
  const extra = names.at(-1)?.endsWith('...') === true ? undefined : words[names.length];
  if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}" after ${name}`);
  if (values.has('version')) return { kind: 'version' };
  const last = (option: string) => values.get(option)?.at(-1);
  const args: CommandArguments = {
    configFile: last('config') ?? (env['GATEWAY_CONFIG'] || undefined),
    admin: last('admin'),
    words,
    sub: last('sub'),
    expires: last('expires'),
    authenticator: last('authenticator'),
    claims: values.get('claim') ?? [],
    scopes: values.get('scope') ?? [],
    grace: last('grace'),
    headers: values.get('header') ?? [],
    from: last('from'),
    listener: last('listener'),
    consumer: last('consumer'),
    repeat: last('repeat'),
    tests: last('tests'),
    against: last('against'),
    tolerate: last('tolerate'),
    host: last('host'),
    isJson: values.has('json'),
    configFrom: last('config-from'),
    stateDir: last('state-dir'),
    node: last('node'),
    bootTimeout: last('boot-timeout'),
    onNoConfig: last('on-no-config'),
    to: last('to'),
    part: last('part'),
    nodes: last('nodes'),
    timeout: last('timeout'),
    keep: last('keep'),
    isWaiting: values.has('wait'),
    isRemoving: values.has('remove'),
    isCluster: values.has('cluster'),
  };
  return { kind: 'command', name, args };
}

function helpOf(word: string | undefined): ParsedCommandLine {
  return { kind: 'help', of: COMMAND_NAMES.find((name) => name === word) ?? null };
}

function splitArguments(argv: readonly string[]): {
  positionals: readonly string[];
  given: readonly GivenOption[];
} {
  const options = Object.fromEntries(ALL_OPTIONS.map((spec) => [spec.name, parserOption(spec)]));
  const { tokens } = parseArgs({
    args: [...argv],
    options,
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const positionals: string[] = [];
  const given: GivenOption[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    given.push({ name, rawName, value, isInline: token.inlineValue === true });
  }
  return { positionals, given };
}

function parserOption({ short, value }: OptionSpec) {
  const type = value === undefined ? ('boolean' as const) : ('string' as const);
  return short === undefined ? { type } : { type, short };
}

function refuseUnknownOptions(word: string, given: readonly GivenOption[]): void {
  const unknown = given.find(({ name }) => ALL_OPTIONS.every((spec) => spec.name !== name));
  if (unknown === undefined) return;
  const command = COMMAND_NAMES.find((name) => name === word) ?? 'run';
  throw unknownOption(command, unknown.rawName, optionsOf(command));
}

function optionsOf(command: CommandName): readonly OptionSpec[] {
  return [...COMMANDS[command].options, ...GLOBAL_OPTIONS];
}

function readCommand(word: string): CommandName {
  const name = COMMAND_NAMES.find((each) => each === word);
  if (name !== undefined) return name;
  const isFile = /[./]/.test(word);
  const hint = isFile
    ? '; a configuration file goes after -c'
    : suggestName(word, COMMAND_NAMES, 'command');
  throw new UsageError(`unknown command "${word}"${hint}`);
}

function readOptions(
  command: CommandName,
  given: readonly GivenOption[],
): ReadonlyMap<string, readonly string[]> {
  const specs = optionsOf(command);
  const values = new Map<string, string[]>();
  for (const option of given) {
    const spec = specs.find(({ name }) => name === option.name);
    if (spec === undefined) throw unknownOption(command, option.rawName, specs);
    const value = readValue(spec, option);
    const earlier = values.get(spec.name) ?? [];
    if (earlier.length > 0 && spec.isRepeatable !== true) {
      throw new UsageError(`the option --${spec.name} is given twice`);
    }
    values.set(spec.name, [...earlier, value]);
  }
  return values;
}

function readValue(spec: OptionSpec, { rawName, value, isInline }: GivenOption): string {
  if (spec.value === undefined) {
    if (isInline) throw new UsageError(`the option ${rawName} takes no value`);
    return '';
  }
  // A value that looks like an option is the next option: the user forgot the value.
  // An empty one is a variable of the shell that is not set; `-` is standard input.
  const isOption = value?.startsWith('-') === true && value !== STANDARD_INPUT;
  if (value === undefined || value === '' || (!isInline && isOption)) {
    throw new UsageError(`the option ${rawName} needs a value: ${rawName} ${spec.value}`);
  }
  return value;
}

function unknownOption(
  command: CommandName,
  rawName: string,
  specs: readonly OptionSpec[],
): UsageError {
  const known = specs.flatMap(({ name, short }) =>
    short === undefined ? [`--${name}`] : [`--${name}`, `-${short}`],
  );
  const hint = suggestName(rawName, known, 'option');
  return new UsageError(`${command} has no option "${rawName}"${hint}`);
}
