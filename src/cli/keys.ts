/**
 * `sluice keys create|list|rotate|revoke`: API keys of a running gateway.
 *
 * Thread: supervisor (on the main thread). A key that is made stands on stdout alone, so that it
 * can be piped; what else there is to say is on stderr.
 *
 * Exit codes: 0 done; 2 the gateway refuses what was asked for, or knows no such key; 1 no gateway
 * answered, the change was not made, or a key was taken back while another gateway may not know it.
 */
import {
  type AdminAnswer,
  type AdminQuestion,
  AdminUnreachableError,
  askAdmin,
  reportUnexpected,
} from './admin-client.js';
import {
  type CommandArguments,
  type CommandIo,
  EXIT_FAILURE,
  EXIT_OK,
  EXIT_USAGE,
  type ExitCode,
  UsageError,
} from './command-io.js';
import { reportErrors } from './report-error.js';

const ID = /^[0-9a-f]{16}$/;
/** The request cannot be answered as it is, whenever it is sent. */
const REFUSED: ReadonlySet<number> = new Set([400, 404]);

/** What is told of a key. */
interface KeyRow {
  readonly id: string;
  readonly authenticator: string;
  readonly consumer: string;
  readonly scopes: readonly string[];
  readonly created: string;
  /** null: it does not end by itself. */
  readonly expires: string | null;
}

interface Action {
  /** What is asked of the gateway. Throws UsageError. */
  question(args: CommandArguments): AdminQuestion;
  report(body: AdminAnswer['body'], args: CommandArguments, io: CommandIo): ExitCode;
}

const ACTIONS: Readonly<Record<string, Action>> = {
  create: { question: creation, report: reportSecret },
  list: {
    question: (args) => {
      refuseId(args);
      return { method: 'GET', path: '/keys' };
    },
    report: reportList,
  },
  rotate: { question: rotation, report: reportSecret },
  revoke: {
    question: (args) => ({ method: 'DELETE', path: `/keys/${idOf(args)}` }),
    report: reportRevoked,
  },
};

/** Options that belong to one action; `--json` and those that find the gateway are for all. */
const ACTION_OF_OPTION: readonly (readonly [
  name: 'consumer' | 'expires' | 'authenticator' | 'grace' | 'scopes',
  option: string,
  action: string,
])[] = [
  ['consumer', '--consumer', 'create'],
  ['scopes', '--scope', 'create'],
  ['expires', '--expires', 'create'],
  ['authenticator', '--authenticator', 'create'],
  ['grace', '--grace', 'rotate'],
];

/** Asks the admin listener, and prints what it says. */
export function keysCommand(args: CommandArguments, io: CommandIo): Promise<ExitCode> {
  return reportErrors(io, async () => {
    const [name = ''] = args.words;
    const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (action === undefined) {
      throw new UsageError('keys takes create, list, rotate ID or revoke ID');
    }
    refuseOtherOptions(name, args);
    try {
      const answer = await askAdmin(action.question(args), args, io);
      if (answer.status >= 200 && answer.status < 300) {
        return action.report(answer.body, args, io);
      }
      reportUnexpected(answer, io);
      return REFUSED.has(answer.status) ? EXIT_USAGE : EXIT_FAILURE;
    } catch (error) {
      if (!(error instanceof AdminUnreachableError)) throw error;
      io.stderr.write(`sluice: ${error.message}\n`);
      return EXIT_FAILURE;
    }
  });
}

function creation(args: CommandArguments): AdminQuestion {
  refuseId(args);
  const { consumer, scopes, expires, authenticator } = args;
  if (consumer === undefined || consumer === '') {
    throw new UsageError('keys create needs --consumer ID, the caller that the key is for');
  }
  const body = {
    consumer,
    ...(scopes.length > 0 && { scopes }),
    ...(expires !== undefined && { expiresIn: expires }),
    ...(authenticator !== undefined && { authenticator }),
  };
  return { method: 'POST', path: '/keys', body };
}

function rotation(args: CommandArguments): AdminQuestion {
  const { grace } = args;
  const path = `/keys/${idOf(args)}/rotate`;
  return { method: 'POST', path, ...(grace !== undefined && { body: { grace } }) };
}

function idOf({ words: [action, id = ''] }: CommandArguments): string {
  if (ID.test(id)) return id;
  throw new UsageError(
    `keys ${action} needs the ID of a key: the 16 digits after slk_, as keys list shows them`,
  );
}

function refuseId({ words: [action, id] }: CommandArguments): void {
  if (id !== undefined) throw new UsageError(`keys ${action} takes no ID`);
}

function refuseOtherOptions(action: string, args: CommandArguments): void {
  for (const [name, option, owner] of ACTION_OF_OPTION) {
    const isGiven = args[name] !== undefined && args[name].length > 0;
    if (isGiven && action !== owner) {
      throw new UsageError(`the option ${option} is for keys ${owner}`);
    }
  }
}

function reportSecret(
  body: AdminAnswer['body'],
  { isJson }: CommandArguments,
  io: CommandIo,
): ExitCode {
  if (isJson) io.stdout.write(`${JSON.stringify(body, null, 2)}\n`);
  else {
    io.stdout.write(`${body['key']}\n`);
    const { id, consumer, authenticator, expires } = body as Partial<KeyRow>;
    const end = expires === null ? 'without end' : `until ${expires}`;
    io.stderr.write(`key ${id} of ${consumer} for ${authenticator}, ${end}; it is shown once\n`);
  }
  reportMissing(body, io);
  return EXIT_OK;
}

function reportRevoked(
  body: AdminAnswer['body'],
  { isJson }: CommandArguments,
  io: CommandIo,
): ExitCode {
  const text = isJson ? JSON.stringify(body, null, 2) : `key ${body['id']} is taken back`;
  io.stdout.write(`${text}\n`);
  return reportMissing(body, io) ? EXIT_FAILURE : EXIT_OK;
}

function reportList(
  body: AdminAnswer['body'],
  { isJson }: CommandArguments,
  io: CommandIo,
): ExitCode {
  const rows = (body['keys'] ?? []) as readonly KeyRow[];
  io.stdout.write(isJson ? `${JSON.stringify(body, null, 2)}\n` : tableOf(rows));
  if (body['known'] === true) return EXIT_OK;
  io.stderr.write('sluice: the gateway does not know its keys: it does not reach the store\n');
  return EXIT_FAILURE;
}

/** Whether there are gateways that may not know of the change; says which. */
function reportMissing(body: AdminAnswer['body'], io: CommandIo): boolean {
  const names = Array.isArray(body['missing']) ? body['missing'].map(String) : [];
  const trouble = String(body['trouble'] ?? '');
  if (names.length === 0 && trouble === '') return false;
  const who = names.length > 0 ? names.join(', ') : `other gateways (${trouble})`;
  io.stderr.write(`sluice: not acknowledged by ${who}; they hear of it when they are back\n`);
  return true;
}

function tableOf(rows: readonly KeyRow[]): string {
  const cells = [
    ['ID', 'CONSUMER', 'AUTHENTICATOR', 'SCOPES', 'CREATED', 'EXPIRES'],
    ...rows.map(({ id, consumer, authenticator, scopes, created, expires }) => {
      return [id, consumer, authenticator, scopes.join(',') || '-', created, expires ?? '-'];
    }),
  ];
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}
