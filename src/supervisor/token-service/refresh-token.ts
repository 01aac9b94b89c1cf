/**
 * Refresh tokens: SESSION.NUMBER.MAC. NUMBER says for which refresh of which session a token is
 * valid, and only who has the key can make the MAC.
 *
 * Thread: any (pure).
 */
import { createHmac, timingSafeEqual } from 'node:crypto';

/** What a refresh token names. */
export interface NamedRefresh {
  readonly sessionId: string;
  readonly number: number;
}

export class RefreshTokens {
  /** `key`: 32 bytes that nobody else has. */
  constructor(private readonly key: Uint8Array) {}

  make({ id, refreshes }: { readonly id: string; readonly refreshes: number }): string {
    return `${id}.${refreshes}.${this.mac(id, refreshes)}`;
  }

  /** null: it was not made with this key. */
  read(token: string): NamedRefresh | null {
    const [sessionId = '', number = '', mac = '', more] = token.split('.');
    if (more !== undefined || !/^(?:0|[1-9]\d{0,8})$/.test(number)) return null;
    const right = Buffer.from(this.mac(sessionId, Number(number)));
    const given = Buffer.from(mac);
    if (given.length !== right.length || !timingSafeEqual(given, right)) return null;
    return { sessionId, number: Number(number) };
  }

  private mac(id: string, number: number): string {
    return createHmac('sha256', this.key).update(`${id}.${number}`).digest('base64url');
  }
}
