/**
 * The cookies of a login: one or more that hold the session, and one for each login under way.
 *
 * Thread: any (pure). Over https all names have the prefix `__Host-`, so that no other host of the
 * domain, and nobody on a connection without TLS, can set them. A session in several cookies says
 * in the first one how many there are; parts of different sessions do not open.
 */
import { type FieldBlock, field, joinFields, NO_FIELDS } from '../../../base/field-block.js';
import type { Cookies } from './browser-request.js';

/** Browsers keep cookies of 4096 bytes, with name and attributes. */
const PART_CHARS = 3600;
/** With more of them the head of a request would be too large for the gateway itself. */
export const PARTS_MAX = 3;
/** Logins that one browser may have under way: tabs that were opened together. */
const PENDING_MAX = 16;
const PENDING_CHARS_MAX = 8 * 1024;
/** How long a user may take to log in. */
export const PENDING_SECONDS = 15 * 60;

export class LoginCookies {
  constructor(private readonly name: string) {}

  /** Cookies of these names do not go to targets; one that ends with a star stands for many. */
  get names(): readonly string[] {
    const parts = Array.from({ length: PARTS_MAX }, (_, part) => this.partName(part));
    const all = [...parts, `${this.name}.l.*`];
    return [...all, ...all.map((name) => `__Host-${name}`)];
  }

  /** The session's text; '': there is none; null: a part is missing, or there are two of it. */
  read(cookies: Cookies, isSecure: boolean): string | null {
    const first = cookieNamed(cookies, this.full(this.name, isSecure));
    if (first === '' || first === null) return first;
    const count = first.charCodeAt(0) - 0x30;
    if (!(count >= 1 && count <= PARTS_MAX)) return null;
    let text = first.slice(1);
    for (let part = 1; part < count; part++) {
      const value = cookieNamed(cookies, this.full(this.partName(part), isSecure));
      if (value === '' || value === null) return null;
      text += value;
    }
    return text;
  }

  /** Set-Cookie fields; null: the session is too large for cookies. */
  set(text: string, seconds: number, isSecure: boolean): FieldBlock | null {
    const count = Math.ceil(text.length / PART_CHARS);
    if (count > PARTS_MAX) return null;
    // Whoever caches the reply must not hand the session to others.
    let block = field('Cache-Control', 'private');
    for (let part = 0; part < count; part++) {
      const value = text.slice(part * PART_CHARS, (part + 1) * PART_CHARS);
      const name = this.full(this.partName(part), isSecure);
      const shown = part === 0 ? `${count}${value}` : value;
      block = joinFields(block, setCookie(name, shown, { seconds, isSecure }));
    }
    return block;
  }

  /** Takes the session out of the browser. */
  clear(cookies: Cookies, isSecure: boolean): FieldBlock {
    let block = NO_FIELDS;
    for (let part = 0; part < PARTS_MAX; part++) {
      const name = this.full(this.partName(part), isSecure);
      if (cookies.some(([one]) => one === name)) block = joinFields(block, gone(name, isSecure));
    }
    return block;
  }

  /** Keeps what belongs to a login that begins, and forgets the oldest of too many. */
  begin(
    { state, sealed }: { readonly state: string; readonly sealed: string },
    cookies: Cookies,
    isSecure: boolean,
  ): FieldBlock {
    const name = this.pendingName(state, isSecure);
    const prefix = this.full(`${this.name}.l.`, isSecure);
    const pending = cookies.filter(([one]) => one.startsWith(prefix));
    let chars = pending.reduce((sum, [, value]) => sum + value.length, sealed.length);
    let count = pending.length + 1;
    let block = setCookie(name, sealed, { seconds: PENDING_SECONDS, isSecure });
    for (const [oldest, value] of pending) {
      if (count <= PENDING_MAX && chars <= PENDING_CHARS_MAX) break;
      block = joinFields(block, gone(oldest, isSecure));
      chars -= value.length;
      count--;
    }
    return block;
  }

  /** What was kept for this login; '': nothing. */
  pendingOf(state: string, cookies: Cookies, isSecure: boolean): string {
    return cookieNamed(cookies, this.pendingName(state, isSecure)) ?? '';
  }

  /** The login is done, one way or the other. */
  end(state: string, isSecure: boolean): FieldBlock {
    return gone(this.pendingName(state, isSecure), isSecure);
  }

  private partName(part: number): string {
    return part === 0 ? this.name : `${this.name}.${part}`;
  }

  private pendingName(state: string, isSecure: boolean): string {
    return this.full(`${this.name}.l.${state.slice(0, 12)}`, isSecure);
  }

  private full(name: string, isSecure: boolean): string {
    return isSecure ? `__Host-${name}` : name;
  }
}

/** null: there are two cookies of this name. */
function cookieNamed(cookies: Cookies, name: string): string | null {
  const [first, second] = cookies.filter(([one]) => one === name);
  return second === undefined ? (first?.[1] ?? '') : null;
}

function setCookie(
  name: string,
  value: string,
  { seconds, isSecure }: { readonly seconds: number; readonly isSecure: boolean },
): FieldBlock {
  const rest = `Path=/; Max-Age=${Math.max(0, Math.floor(seconds))}; HttpOnly; SameSite=Lax`;
  return field('Set-Cookie', `${name}=${value}; ${rest}${isSecure ? '; Secure' : ''}`);
}

function gone(name: string, isSecure: boolean): FieldBlock {
  return setCookie(name, '', { seconds: 0, isSecure });
}
