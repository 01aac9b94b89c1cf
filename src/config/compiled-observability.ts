/**
 * Logs and traces, as threads have them.
 *
 * Thread: any (pure). Types only.
 */

export interface CompiledLogging {
  readonly level: string;
  readonly format: 'auto' | 'json' | 'text';
  /** null: no records. */
  readonly accessLog: CompiledAccessLog | null;
  /** What records show that are kept for a replay. */
  readonly keptRecords: CompiledAccessLog;
}

export interface CompiledAccessLog {
  /** Of the requests that nothing below names. */
  readonly samplePercent: number;
  /** First and last of each range. */
  readonly statuses: readonly (readonly [number, number])[];
  /** -1: no such filter. */
  readonly slowerThanMs: number;
  /** Lower case. */
  readonly headers: readonly string[];
  /** Fields that keys of an authenticator come in, lower case. */
  readonly secretHeaders: readonly string[];
  /** Lower case. */
  readonly redactQuery: readonly string[];
  readonly showsBodies: boolean;
}

export interface CompiledTracing {
  readonly endpoint: string;
  readonly samplePercent: number;
  readonly serviceName: string;
  /** In order of preference. */
  readonly propagation: readonly ('w3c' | 'b3' | 'b3multi' | 'jaeger')[];
  readonly headers: readonly (readonly [string, string])[];
  /** Lower case. */
  readonly redactQuery: readonly string[];
}
