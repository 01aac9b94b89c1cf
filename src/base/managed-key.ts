/**
 * An API key that was made at run time, without its secret.
 *
 * Thread: any (both ends). Plain data that survives a structured clone.
 */
export interface ManagedKey {
  /** 16 hexadecimal digits. */
  readonly id: string;
  /** The authenticator that accepts it, and no other. */
  readonly authenticator: string;
  readonly consumer: string;
  readonly scopes: readonly string[];
  /** Milliseconds since 1970, like all times here. */
  readonly createdMs: number;
  /** null: it does not end by itself. */
  readonly expiresMs: number | null;
  /** The newest first; a rotation may leave the one before for some time. */
  readonly secrets: readonly ManagedSecret[];
}

export interface ManagedSecret {
  /** Of the whole key, in lower-case hexadecimal. */
  readonly sha256: string;
  /** null: as long as the key. */
  readonly untilMs: number | null;
}
