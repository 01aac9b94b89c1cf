/**
 * What stands in a configuration in place of the file of a plugin that a program has given.
 *
 * Thread: any (pure).
 */

const PREFIX = 'program:';

export function programFile(id: string): string {
  return PREFIX + id;
}

export function isProgramFile(file: string): boolean {
  return file.startsWith(PREFIX);
}
