/**
 * The groups that a reply belongs to, or makes invalid.
 *
 * Thread: any (pure). RFC 9875.
 */
import { parseList } from './structured-field.js';

/** RFC 9875 section 2: a cache takes at least 32 groups of 32 characters. */
const GROUPS_MAX = 32;
const GROUP_CHARS_MAX = 64;

/** What Cache-Groups or Cache-Group-Invalidation lists; nothing where it cannot be read. */
export function groupsOf(text: string): readonly string[] {
  const groups: string[] = [];
  for (const item of parseList(text) ?? []) {
    const isGroup = item.kind === 'string' && item.text.length <= GROUP_CHARS_MAX;
    if (isGroup && groups.length < GROUPS_MAX) groups.push(item.text);
  }
  return groups;
}
