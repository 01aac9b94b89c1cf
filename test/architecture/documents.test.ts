/**
 * What a reader of the documents relies on: links lead somewhere, samples are the files that they
 * name, pages that are made from the code are in step with it, and the README stays short.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GENERATED_PAGES } from '../../src/build/generated-pages.js';
import { unnamedFences, withSamples } from '../../src/build/sample-fences.js';
import { listFiles, projectRoot } from './source-scan.js';

const README_BYTES_MAX = 10 * 1024;

const ROOT = projectRoot();
/** Where documents are: the root itself, and these folders. */
const FOLDERS = ['docs', 'examples', 'src', 'test', 'bench'];
const DOCUMENTS = ['', ...FOLDERS].flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => posix.join(folder, name)),
);
const PAGES = DOCUMENTS.filter((path) => path === 'README.md' || path.startsWith('docs/'));

/** What may stand at the top of the project, besides what git ignores. */
const TOP_LEVEL = [
  ...['.ci', '.git', '.gitignore', 'LICENSE', 'biome.json', 'tsconfig.json'],
  ...['Dockerfile', '.dockerignore'],
  ...['package.json', 'package-lock.json', 'node_modules', 'dist'],
  ...['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md'],
  ...FOLDERS,
];

/** What npm puts into every package. */
const ALWAYS_PACKED = ['README.md', 'LICENSE', 'package.json'];

/** Idioms that a reader has to decode. */
const PRIVATE_IDIOM = /\bso many\b|\b(?:at|in) hand\b|\bhears? \d/gi;

interface Link {
  readonly from: string;
  /** Path from the root; empty for the document itself. */
  readonly path: string;
  readonly anchor: string;
}

/** All files of code, from the root. */
const CODE_FILES = ['src', 'test', 'bench'].flatMap((folder) =>
  listFiles(join(ROOT, folder), '.ts').map((path) => posix.join(folder, path)),
);
/** Their names, without their folders. */
const CODE_NAMES = new Set(CODE_FILES.map((path) => posix.basename(path)));
/** Names the idioms that it looks for. */
const OWN_PATH = 'test/architecture/documents.test.ts';

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

describe('generated pages', () => {
  it.each(GENERATED_PAGES)('$path is what `npm run docs` writes', ({ path, text }) => {
    expect(read(path)).toBe(text());
  });
});

describe('the README', () => {
  it('stays short', () => {
    expect(statSync(join(ROOT, 'README.md')).size).toBeLessThanOrEqual(README_BYTES_MAX);
  });

  it('leads to every page', () => {
    const linked = new Set(linksOf('README.md').map(({ path }) => path));
    const missing = DOCUMENTS.filter((path) => path !== 'README.md' && !linked.has(path));
    expect(missing).toEqual([]);
  });
});

describe('the documents', () => {
  it.each(DOCUMENTS)('have links that lead somewhere: %s', (document) => {
    expect(linksOf(document).filter((link) => !leadsSomewhere(link))).toEqual([]);
  });

  it.each(PAGES)('show samples as `npm run docs` writes them: %s', (document) => {
    const text = read(document);
    expect(text).toBe(withSamples(text, read));
    // A sample that names no file is run by no test.
    expect(unnamedFences(text)).not.toContain('yaml');
  });

  it.each(DOCUMENTS)('name files and scripts that exist: %s', (document) => {
    const text = read(document);
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const run = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name = '']) => name);
    expect(run.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
    expect(filesNamedIn(text).filter((path) => !isFileOfOurs(path, document))).toEqual([]);
  });

  it('and the code are plain English', () => {
    const documents = DOCUMENTS.map((path) => [path, prose(read(path))] as const);
    const code = CODE_FILES.filter((path) => path !== OWN_PATH).map((path) => [path, read(path)]);
    const found = [...documents, ...code].flatMap(([path = '', text = '']) =>
      [...text.matchAll(PRIVATE_IDIOM)].map(([words]) => `${path}: ${words}`),
    );
    expect(found).toEqual([]);
  });

  it('show every example', () => {
    const text = PAGES.map(read).join('\n');
    const examples = readdirSync(join(ROOT, 'examples')).filter((name) =>
      /\.(yaml|mjs)$/.test(name),
    );
    const shown = examples.filter((name) => !name.endsWith('.tests.yaml'));
    expect(shown.filter((name) => !text.includes(`examples/${name}`))).toEqual([]);
  });

  it('are in the package as far as they lead to one another', () => {
    const documents = DOCUMENTS.filter(isPacked);
    expect(documents).toEqual(expect.arrayContaining(PAGES));
    const isMissing = ({ path }: Link) => statSync(join(ROOT, path)).isFile() && !isPacked(path);
    expect(documents.flatMap(linksOf).filter(isMissing)).toEqual([]);
  });
});

describe('the top of the project', () => {
  it('holds what belongs there and nothing else', () => {
    const tracked = execFileSync('git', ['ls-files'], { cwd: ROOT, encoding: 'utf8' });
    const names = new Set(tracked.split('\n').map((path) => path.split('/', 1)[0] ?? ''));
    names.delete('');
    expect([...names].filter((name) => !TOP_LEVEL.includes(name))).toEqual([]);
  });
});

/** Files and folders of the code that stand between backticks. */
function filesNamedIn(text: string): string[] {
  const inline = text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/`([\w./-]+)`/g);
  return [...inline]
    .map(([, name = '']) => name)
    .filter((name) => /^[a-z][\w./-]*(?:\.ts|\/)$/.test(name) && name !== 'kebab-case.ts');
}

/** A path from the root, from a folder of code or from the document; a bare name, anywhere. */
function isFileOfOurs(path: string, document: string): boolean {
  const bases = ['', dirname(document), 'src', 'test', 'bench'];
  if (bases.some((base) => existsSync(join(ROOT, base, path)))) return true;
  return !path.includes('/') && CODE_NAMES.has(path);
}

/** Whether `files` of package.json names it, or a folder that it is in. */
function isPacked(path: string): boolean {
  const { files } = JSON.parse(read('package.json')) as { files: readonly string[] };
  return [...ALWAYS_PACKED, ...files].some((entry) => {
    const pattern = entry.replaceAll('.', '\\.').replaceAll('*', '[^/]*');
    return new RegExp(`^${pattern}(?:/|$)`).test(path);
  });
}

/** Relative links; those to other hosts are not followed. */
function linksOf(document: string): Link[] {
  const links = [...prose(read(document)).matchAll(/\]\(([^)\s]+)\)/g)];
  return links
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = '', anchor = ''] = target.split('#');
      const folder = posix.join(dirname(document), path);
      return { from: document, path: path === '' ? document : posix.normalize(folder), anchor };
    });
}

function leadsSomewhere({ path, anchor }: Link): boolean {
  if (!existsSync(join(ROOT, path))) return false;
  return anchor === '' || anchorsOf(read(path)).includes(anchor);
}

/** Headings as GitHub names them. */
function anchorsOf(text: string): string[] {
  return [...prose(text).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

/** Without code, fenced or inline. */
function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, '').replace(/`[^`\n]*`/g, '``');
}
