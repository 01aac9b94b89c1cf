/**
 * Circles of imports, types counted: between files anywhere, and between the rooms of a folder.
 * Threads are reached by URL, which starts them and imports nothing.
 */
import { type Finding, type SourceFile, topFolder } from './source-scan.js';

type Edges = ReadonlyMap<string, ReadonlySet<string>>;

/** Each circle of files is one finding, at the first of them. */
export function findFileCircles(files: readonly SourceFile[]): Finding[] {
  const edges = new Map(files.map((file) => [file.path, new Set(targetsOf(file))] as const));
  return circlesOf(edges).map((circle) => ({
    path: circle[0] ?? '',
    line: 1,
    rule: 'file circle',
    detail: circle.join(' → '),
  }));
}

/** Folders below `folder` import each other one way only; the files beside them are one room. */
export function findRoomCircles(files: readonly SourceFile[], folder: string): Finding[] {
  const edges = new Map<string, Set<string>>();
  for (const file of files.filter(({ path }) => topFolder(path) === folder)) {
    const from = roomOf(file.path);
    for (const target of targetsOf(file)) {
      const to = roomOf(target);
      if (topFolder(target) !== folder || to === from) continue;
      edges.set(from, (edges.get(from) ?? new Set()).add(to));
      if (!edges.has(to)) edges.set(to, new Set());
    }
  }
  return circlesOf(edges).map((circle) => ({
    path: folder,
    line: 1,
    rule: 'room circle',
    detail: circle.join(' → '),
  }));
}

function targetsOf({ imports }: SourceFile): string[] {
  return imports.filter(({ kind, target }) => kind !== 'url' && target !== '').map((e) => e.target);
}

function roomOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

/** What can reach each other, in groups of two and more. */
function circlesOf(edges: Edges): string[][] {
  const reach = new Map([...edges.keys()].map((node) => [node, reachedFrom(edges, node)] as const));
  const seen = new Set<string>();
  const circles: string[][] = [];
  for (const [node, reached] of reach) {
    if (seen.has(node) || !reached.has(node)) continue;
    const circle = [...reached].filter((other) => reach.get(other)?.has(node) === true).sort();
    for (const one of circle) seen.add(one);
    circles.push(circle);
  }
  return circles;
}

/** The node itself only if a way leads back to it. */
function reachedFrom(edges: Edges, start: string): ReadonlySet<string> {
  const reached = new Set<string>();
  const waiting = [...(edges.get(start) ?? [])];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (reached.has(node)) continue;
    reached.add(node);
    waiting.push(...(edges.get(node) ?? []));
  }
  return reached;
}
