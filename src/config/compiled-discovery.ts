/**
 * Where the targets of an upstream are found, as threads have it.
 *
 * Thread: any (pure). A part of compiled-config.ts.
 */

/** What is asked for targets. */
export type CompiledSource =
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'http';
      readonly url: string;
      readonly intervalMs: number;
      /** Empty: none is sent. */
      readonly token: string;
    };

export interface CompiledDiscovery {
  readonly source: CompiledSource;
  /** Its targets are spoken with over TLS. */
  readonly isTls: boolean;
  /** Targets that are used at once. */
  readonly targetsMax: number;
  /** A sudden loss of more than half of the targets is believed at once. */
  readonly trustsLoss: boolean;
}

/** The source in words, without secrets. */
export function sourceInWords(source: CompiledSource): string {
  switch (source.kind) {
    case 'file':
      return `file ${source.path}`;
    case 'http': {
      const { origin, pathname } = new URL(source.url);
      return `http ${origin}${pathname}`;
    }
    default:
      return source satisfies never;
  }
}
