/**
 * The commands and options that exist, and the help that shows them.
 *
 * Thread: supervisor (on the main thread).
 */

/** How an option is written. */
export interface OptionSpec {
  readonly name: string;
  readonly short?: string;
  /** Name of the value in the help. An option without it is a switch. */
  readonly value?: string;
  readonly isRepeatable?: boolean;
  readonly help: string;
}

/** How a command is called. */
export interface CommandSpec {
  readonly help: string;
  readonly options: readonly OptionSpec[];
  /**
   * Names of the arguments after the command's name; one that ends with `...` may come again and
   * again. Default: none.
   */
  readonly words?: readonly string[];
}

const CONFIG_OPTION: OptionSpec = {
  name: 'config',
  short: 'c',
  value: 'FILE',
  help: 'YAML or JSON, - for stdin (default: GATEWAY_CONFIG)',
};

const ADMIN_OPTION: OptionSpec = {
  name: 'admin',
  value: 'URL',
  help: 'the admin listener (default: the one in the file)',
};

const TOKEN_OPTIONS: readonly OptionSpec[] = [
  { name: 'sub', value: 'ID', help: 'the caller that the token is for (required)' },
  { name: 'expires', value: 'TIME', help: 'how long the token is valid (default: 60m)' },
  {
    name: 'authenticator',
    value: 'NAME',
    help: 'the authenticator that accepts it (default: first)',
  },
  {
    name: 'claim',
    value: 'K=V',
    isRepeatable: true,
    help: 'another claim; V is JSON where it parses, else text',
  },
];

const KEYS_OPTIONS: readonly OptionSpec[] = [
  { name: 'consumer', value: 'ID', help: 'create: whose key it is (required)' },
  {
    name: 'scope',
    value: 'NAME',
    isRepeatable: true,
    help: 'create: what the key is good for',
  },
  { name: 'expires', value: 'TIME', help: 'create: how long it is valid (default: for ever)' },
  {
    name: 'authenticator',
    value: 'NAME',
    help: 'create: who accepts it (default: the only one)',
  },
  { name: 'grace', value: 'TIME', help: 'rotate: how long the key before stays good' },
  ADMIN_OPTION,
  { name: 'json', help: 'print JSON' },
];

const EXPLAIN_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'header',
    short: 'H',
    value: 'FIELD',
    isRepeatable: true,
    help: 'a field: "name: value"',
  },
  { name: 'from', value: 'ADDRESS', help: 'the client address (default: 127.0.0.1)' },
  { name: 'listener', value: 'NAME', help: 'the listener that it comes to (default: the first)' },
  { name: 'consumer', value: 'ID', help: 'assume that this consumer calls' },
  { name: 'repeat', value: 'N', help: 'explain the last of N such requests (default: 1)' },
  { name: 'admin', value: 'URL', help: 'use the present state of a running gateway' },
  { name: 'json', help: 'print JSON' },
];

const TEST_OPTIONS: readonly OptionSpec[] = [
  { name: 'tests', value: 'FILE', help: 'the table (default: NAME.tests.yaml beside NAME.yaml)' },
];

const REPLAY_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'against',
    value: 'FILE',
    help: 'compare with this one (default: with the log itself)',
  },
  { name: 'tolerate', value: 'N', help: 'exit with 1 above this number of differences' },
  { name: 'host', value: 'NAME', help: 'host of records without one (default: localhost)' },
  { name: 'json', help: 'print JSON' },
];

const FROM_OPTION: OptionSpec = {
  name: 'config-from',
  value: 'STORE',
  help: 'etcd:// or consul://HOST:PORT/PREFIX; or file',
};

const RUN_STORE_OPTIONS: readonly OptionSpec[] = [
  FROM_OPTION,
  { name: 'state-dir', value: 'DIR', help: 'where the last good copy is (default: stateDir)' },
  { name: 'node', value: 'NAME', help: 'its name in the store (default: host-pid)' },
  { name: 'boot-timeout', value: 'TIME', help: 'how long it waits for the store (default: 5s)' },
  {
    name: 'on-no-config',
    value: 'WHAT',
    help: 'without store and copy: wait (default) or fail',
  },
];

const TO_OPTION: OptionSpec = {
  name: 'to',
  value: 'STORE',
  help: 'the store (default: GATEWAY_CONFIG_FROM)',
};

const TRIAL_OPTION: OptionSpec = {
  name: 'wait',
  help: 'with reload.canary: until the trial is over',
};

const WAIT_OPTIONS: readonly OptionSpec[] = [
  { name: 'wait', help: 'until every gateway uses it, or one refuses it' },
  { name: 'nodes', value: 'N', help: 'with --wait: for this number of gateways at least' },
  { name: 'timeout', value: 'TIME', help: 'how long to wait (default: 60s)' },
];

const PUBLISH_OPTIONS: readonly OptionSpec[] = [
  TO_OPTION,
  ...WAIT_OPTIONS,
  { name: 'part', value: 'TEAM', help: 'publish the part of a team, not the whole' },
  { name: 'remove', help: 'with --part: take the part away' },
  { name: 'keep', value: 'N', help: 'releases that stay in the store (default: 50)' },
];

const STATUS_OPTIONS: readonly OptionSpec[] = [
  ADMIN_OPTION,
  { name: 'cluster', help: 'which gateway of a store uses which release' },
  TO_OPTION,
  { name: 'json', help: 'print JSON' },
];

/** The options of every command. */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  { name: 'help', short: 'h', help: 'print this text' },
  { name: 'version', short: 'v', help: 'print the version' },
];

export type CommandName =
  | 'run'
  | 'validate'
  | 'routes'
  | 'explain'
  | 'test'
  | 'replay'
  | 'diff'
  | 'reload'
  | 'rollback'
  | 'publish'
  | 'releases'
  | 'status'
  | 'token'
  | 'keys'
  | 'hash-password'
  | 'plugin'
  | 'schema';

export const COMMANDS: Readonly<Record<CommandName, CommandSpec>> = {
  run: {
    help: 'start the gateway (default); without a file, the demo',
    options: [CONFIG_OPTION, ...RUN_STORE_OPTIONS],
  },
  validate: { help: 'check a configuration and list every mistake', options: [CONFIG_OPTION] },
  routes: { help: 'show which requests go where', options: [CONFIG_OPTION] },
  explain: {
    help: 'say what would happen to a request, and why',
    options: [CONFIG_OPTION, ...EXPLAIN_OPTIONS],
    words: ['METHOD', 'URL'],
  },
  test: {
    help: 'check a configuration against a table of expectations',
    options: [CONFIG_OPTION, ...TEST_OPTIONS],
  },
  replay: {
    help: 'say what a configuration would have done with a log',
    options: [CONFIG_OPTION, ...REPLAY_OPTIONS],
    words: ['LOG...'],
  },
  diff: { help: 'show what is different between two files', options: [], words: ['OLD', 'NEW'] },
  reload: {
    help: 'make a running gateway read its file again',
    options: [CONFIG_OPTION, ADMIN_OPTION, TRIAL_OPTION],
  },
  rollback: {
    help: 'go back to the configuration before (--to: in a store)',
    options: [CONFIG_OPTION, ADMIN_OPTION, TO_OPTION, ...WAIT_OPTIONS],
    words: ['[ID]'],
  },
  publish: {
    help: 'check a configuration and put it into a store',
    options: [CONFIG_OPTION, ...PUBLISH_OPTIONS],
  },
  releases: { help: 'list the releases in a store', options: [TO_OPTION] },
  status: {
    help: 'say how a gateway does (--cluster: all of a store)',
    options: [CONFIG_OPTION, ...STATUS_OPTIONS],
  },
  token: {
    help: 'make a token for a protected route',
    options: [CONFIG_OPTION, ...TOKEN_OPTIONS],
  },
  keys: {
    help: 'API keys of a gateway: create, list, rotate, revoke',
    options: [CONFIG_OPTION, ...KEYS_OPTIONS],
    words: ['ACTION', '[ID]'],
  },
  'hash-password': {
    help: 'read a password and print its hash (for type basic)',
    options: [],
  },
  plugin: { help: 'write a plugin and its test', options: [], words: ['new', 'NAME'] },
  schema: { help: 'print the JSON Schema of the configuration', options: [] },
};

export const COMMAND_NAMES = Object.keys(COMMANDS) as readonly CommandName[];

/** What `--help` prints; null: of all commands. */
export function usageText(of: CommandName | null): string {
  return of === null ? wholeUsage() : commandUsage(of);
}

function commandUsage(name: CommandName): string {
  const { help, words = [], options } = COMMANDS[name];
  return [
    `Usage: sluice ${[name, ...words, '[OPTIONS]'].join(' ')}`,
    '',
    `${help.charAt(0).toUpperCase()}${help.slice(1)}.`,
    '',
    'Options:',
    ...[...options, ...GLOBAL_OPTIONS].map(optionLine),
    '',
  ].join('\n');
}

function wholeUsage(): string {
  const commands = COMMAND_NAMES.map((name) => {
    const { help, words = [] } = COMMANDS[name];
    return helpLine([name, ...words].join(' '), help);
  });
  return [
    'Usage: sluice [COMMAND] [OPTIONS]',
    '',
    'Commands:',
    ...commands,
    '',
    'Options:',
    ...[CONFIG_OPTION, ...GLOBAL_OPTIONS].map(optionLine),
    '',
    'sluice COMMAND --help has the options of that command alone.',
    '',
    'Options of explain:',
    ...EXPLAIN_OPTIONS.map(optionLine),
    '',
    'Options of test:',
    ...TEST_OPTIONS.map(optionLine),
    '',
    'Options of replay:',
    ...REPLAY_OPTIONS.map(optionLine),
    '',
    'Options of reload and rollback:',
    optionLine(ADMIN_OPTION),
    optionLine(TRIAL_OPTION),
    '',
    'Options of run with a store:',
    ...RUN_STORE_OPTIONS.map(optionLine),
    '',
    'Options of publish; --to and --wait also of rollback, --to of releases:',
    ...PUBLISH_OPTIONS.map(optionLine),
    '',
    'Options of status:',
    ...STATUS_OPTIONS.map(optionLine),
    '',
    'Options of token:',
    ...TOKEN_OPTIONS.map(optionLine),
    '',
    'Options of keys:',
    ...KEYS_OPTIONS.map(optionLine),
    '',
    'Environment variables that override the file: GATEWAY_WORKERS,',
    'GATEWAY_ACCEPTORS, GATEWAY_HOST, GATEWAY_PORT, GATEWAY_ENGINE,',
    'GATEWAY_ADMIN_HOST, GATEWAY_ADMIN_PORT, GATEWAY_LOG_LEVEL.',
    'GATEWAY_CONFIG names the file; GATEWAY_ADMIN_TOKEN is the token that reload,',
    'rollback and keys send. GATEWAY_CONFIG_FROM names a store,',
    'GATEWAY_CONFIG_FROM_USERNAME, GATEWAY_CONFIG_FROM_PASSWORD and',
    'GATEWAY_CONFIG_FROM_TOKEN are for it;',
    'GATEWAY_STATE_DIR and GATEWAY_NODE stand for --state-dir and --node.',
    'Exit codes: 0 done, 1 failed while running, 2 wrong usage or configuration.',
    '',
  ].join('\n');
}

function optionLine({ name, short, value, help }: OptionSpec): string {
  const start = short === undefined ? '' : `-${short}, `;
  return helpLine(`${start}--${name}${value === undefined ? '' : ` ${value}`}`, help);
}

function helpLine(subject: string, help: string): string {
  return `  ${subject.padEnd(22)}  ${help}`;
}
