/**
 * Which names stand for a name of DNS that is not written in full, as the system's resolver has it
 * (resolv.conf: `search`, `domain` and `ndots`).
 *
 * Thread: supervisor (on the main thread). The file is read for each question: it may change.
 */
import { readFile } from 'node:fs/promises';

export interface SearchList {
  readonly domains: readonly string[];
  /** A name with fewer dots is looked for in the domains first. */
  readonly ndots: number;
}

const FILE = '/etc/resolv.conf';
const NO_SEARCH: SearchList = { domains: [], ndots: 1 };
/** Domains and dots beyond these are not looked at. */
const DOMAINS_MAX = 16;
const NDOTS_MAX = 15;
const NAME_CHARS_MAX = 253;

export function parseResolvConf(text: string): SearchList {
  let { domains, ndots } = NO_SEARCH;
  for (const line of text.split('\n')) {
    const [key = '', ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    // Of several lines the last one counts.
    if (key === 'search' || key === 'domain') domains = words.slice(0, DOMAINS_MAX);
    if (key !== 'options') continue;
    for (const word of words) {
      const [, dots] = /^ndots:(\d{1,3})$/.exec(word) ?? [];
      if (dots !== undefined) ndots = Math.min(NDOTS_MAX, Number(dots));
    }
  }
  return {
    domains: domains.map((one) => one.replace(/\.$/, '')).filter((one) => one !== ''),
    ndots,
  };
}

/** The names to ask for, one after the other, until one of them has what is wanted. */
export function namesFor(name: string, { domains, ndots }: SearchList): string[] {
  if (name.endsWith('.')) return [name];
  const inDomains = domains
    .map((domain) => `${name}.${domain}`)
    .filter((one) => one.length <= NAME_CHARS_MAX);
  const dots = name.split('.').length - 1;
  return dots >= ndots ? [name, ...inDomains] : [...inDomains, name];
}

/** Of this machine; one that has no such file has no domains. */
export async function systemSearchList(): Promise<SearchList> {
  try {
    return parseResolvConf(await readFile(FILE, 'utf8'));
  } catch {
    return NO_SEARCH;
  }
}
