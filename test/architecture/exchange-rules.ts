/**
 * Who writes the state of an exchange: its groups of fields are assigned in their own files only,
 * and each part of the worker causes no other changes than the table here says.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Finding, lineOf, parseSource, projectRoot, type SourceFile } from './source-scan.js';

const ROOM = 'worker/exchange';

interface Group {
  readonly file: string;
  readonly className: string;
  /** What its methods may be called from: folders, which end with a slash, and files. */
  readonly callers: readonly string[];
  /** Besides those, for single methods: what others cause. */
  readonly others: Readonly<Record<string, readonly string[]>>;
}

export const GROUPS: Readonly<Record<string, Group>> = {
  head: {
    file: `${ROOM}/request-head.ts`,
    className: 'RequestHead',
    callers: ['worker/request/'],
    others: {},
  },
  admission: {
    file: `${ROOM}/admission-state.ts`,
    className: 'AdmissionState',
    callers: ['worker/admission/'],
    others: { handOver: ['worker/tries/'] },
  },
  tries: {
    file: `${ROOM}/tries-state.ts`,
    className: 'TriesState',
    callers: ['worker/tries/'],
    others: {},
  },
  upload: {
    file: `${ROOM}/upload.ts`,
    className: 'Upload',
    callers: ['worker/request/'],
    others: {
      take: ['worker/request-pipeline.ts'],
      onTrailers: ['worker/request-pipeline.ts'],
      release: ['worker/request-pipeline.ts'],
      collected: [
        ...['worker/upstream/', 'worker/answer/', 'worker/cache/', 'worker/plugins/'],
        ...['worker/telemetry/logged-bodies.ts', `${ROOM}/exchange.ts`],
      ],
      replace: [`${ROOM}/exchange.ts`, 'worker/plugins/'],
      streamed: ['worker/upstream/'],
      tryRewind: ['worker/tries/'],
      onCredit: ['worker/reply/'],
      onAwaited: ['worker/identity/'],
      onJudged: ['worker/identity/'],
      onContinue: ['worker/reply/'],
    },
  },
  grpc: {
    file: `${ROOM}/grpc-call.ts`,
    className: 'GrpcCall',
    callers: ['worker/request/', 'worker/reply/', 'worker/tries/'],
    others: { scanRequest: ['worker/request-pipeline.ts'] },
  },
  reply: {
    file: `${ROOM}/reply-state.ts`,
    className: 'ReplyState',
    callers: ['worker/reply/'],
    others: {
      onAnsweredElsewhere: ['worker/request-pipeline.ts'],
      onShutdown: ['worker/request-pipeline.ts'],
      onClientLeft: ['worker/request-pipeline.ts'],
    },
  },
};

/** The exchange's own fields, and the one file that assigns each. */
export const OWN_FIELDS: Readonly<Record<string, string>> = {
  phase: 'worker/request-pipeline.ts',
  isFinished: 'worker/request-pipeline.ts',
  isAside: 'worker/request-pipeline.ts',
  route: 'worker/request/route-matcher.ts',
  grpc: 'worker/request/grpc-entry.ts',
  identity: `${ROOM}/exchange.ts`,
  trace: 'worker/telemetry/request-tracing.ts',
  tunnel: 'worker/tunnel/tunnels.ts',
  caching: 'worker/cache/reply-cache.ts',
  fault: 'worker/request/fault-injection.ts',
  mirror: 'worker/mirror/mirrors.ts',
  rewrittenTarget: 'filters/transformation/transformation.ts',
  addedFields: 'filters/transformation/transformation.ts',
};

/** Fields of a class that can be assigned, and its methods. */
export interface Members {
  readonly fields: readonly string[];
  readonly methods: readonly string[];
}

/** Reads the members of a class that stands in a file which biome has formatted. */
export function membersOf(code: string, className: string): Members {
  const start = code.indexOf(`class ${className} `);
  const body = code.slice(start, code.indexOf('\n}', start));
  const namesOf = (pattern: RegExp) => [...body.matchAll(pattern)].map(([, name]) => name ?? '');
  return {
    fields: namesOf(/^ {2}(?!readonly |get |static )(?:private )?(\w+)(?: =|:)/gm),
    methods: namesOf(/^ {2}(\w+)\([^\n]*\{$/gm).filter((name) => name !== 'constructor'),
  };
}

const MEMBERS: ReadonlyMap<string, Members> = new Map(
  Object.entries(GROUPS).map(([name, { file, className }]) => {
    const text = readFileSync(join(projectRoot(), 'src', file), 'utf8');
    return [name, membersOf(parseSource(file, text).code, className)];
  }),
);

const ASSIGNS = String.raw`\s*(?:=(?![=>])|[-+*/|&^]=|\?\?=|\|\|=|&&=|<<=|>>>?=|\+\+|--)`;

export function checkExchangeFields(file: SourceFile): Finding[] {
  return [...checkGroups(file), ...checkOwnFields(file), ...checkDeclaration(file)];
}

function checkGroups(file: SourceFile): Finding[] {
  return Object.entries(GROUPS).flatMap(([name, group]) => {
    const { fields = [], methods = [] } = MEMBERS.get(name) ?? {};
    const assigned = search(
      file,
      `\\b${name}\\.(${fields.join('|')})\\b${ASSIGNS}`,
      'exchange field',
    ).filter(() => file.path.startsWith('worker/'));
    const called = file.path.startsWith('worker/')
      ? search(
          file,
          `(?<!(?:parts|this)\\.)\\b${name}\\.(${methods.join('|')})\\(`,
          'exchange caller',
        )
      : [];
    return [...assigned, ...called.filter(({ detail }) => !mayCall(file.path, group, detail))];
  });
}

function mayCall(path: string, { callers, others }: Group, method: string): boolean {
  const allowed = [...callers, ...(others[method] ?? [])];
  return allowed.some((one) => (one.endsWith('/') ? path.startsWith(one) : path === one));
}

function checkOwnFields(file: SourceFile): Finding[] {
  const names = Object.keys(OWN_FIELDS).join('|');
  return search(file, `\\bexchange\\.(${names})\\b${ASSIGNS}`, 'exchange field').filter(
    ({ detail }) => OWN_FIELDS[detail] !== file.path,
  );
}

/** The compiler holds every alias to the rule as long as groups are declared like this. */
function checkDeclaration(file: SourceFile): Finding[] {
  if (file.path !== `${ROOM}/exchange.ts`) return [];
  return Object.entries(GROUPS)
    .filter(([name, { className }]) => {
      // A group that one file assigns cannot be told to be readonly.
      const readonly = Object.hasOwn(OWN_FIELDS, name) ? '' : 'readonly ';
      const declared = new RegExp(`\\b${readonly}${name}: Readonly<${className}>`);
      return !declared.test(file.code);
    })
    .map(([name]) =>
      finding(file, 1, 'exchange group', `${name} is to be a Readonly of its class`),
    );
}

/** What the first group of the pattern took is the detail. */
function search(file: SourceFile, pattern: string, rule: string): Finding[] {
  return [...file.code.matchAll(new RegExp(pattern, 'g'))].map((match) =>
    finding(file, lineOf(file.code, match.index), rule, match[1] ?? ''),
  );
}

function finding(file: SourceFile, line: number, rule: string, detail: string): Finding {
  return { path: file.path, line, rule, detail };
}
