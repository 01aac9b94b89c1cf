/**
 * Logs and traces in the configuration as users write it.
 *
 * Thread: any (pure). Types only, a part of gateway-config.ts.
 */
import type { Duration } from '../base/quantities.js';

/** What is logged, and how much. */
export interface LoggingConfig {
  /** Least severe level that is written. Default: info. */
  readonly level?: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /**
   * `json`: one JSON object a line. `text`: lines for a person to read. `auto`: text where standard
   * output is a terminal, else JSON. Default: auto.
   */
  readonly format?: 'auto' | 'json' | 'text';
  /**
   * Whether finished requests write one line each, and which of them and what of them.
   * Default: true, which is every request.
   */
  readonly accessLog?: boolean | AccessLogConfig;
  /**
   * Query parameters whose values are hidden in access records and spans. The names are compared
   * without regard to case. Default: access_token, api_key, apikey, password, secret, signature,
   * token.
   */
  readonly redactQuery?: readonly string[];
}

/**
 * Which requests write an access record. With `status` or `slowerThan`, each of those that they
 * name does, and of the others `samplePercent`.
 */
export interface AccessLogConfig {
  /**
   * Percent, 0 to 100, of the requests that no filter names. Default: 0 beside a filter, else 100.
   */
  readonly samplePercent?: number;
  /** Statuses that are always recorded, as `404` or `500-599`. Default: none by itself. */
  readonly status?: readonly (number | string)[];
  /** Requests that take longer are always recorded, 0s to 1h. Default: no such filter. */
  readonly slowerThan?: Duration;
  /**
   * Fields of the request to show. Of `authorization`, `proxy-authorization` and cookies only the
   * presence is shown. Default: none.
   */
  readonly headers?: readonly string[];
}

/** Where spans of requests are sent: OTLP over HTTP (OpenTelemetry). */
export interface TracingConfig {
  /** Where spans are posted to, such as `http://127.0.0.1:4318/v1/traces`. */
  readonly endpoint: string;
  /**
   * Percent, 0 to 100, of the requests that begin a trace here. One that comes with a traceparent
   * is sampled if that says so. Default: 1.
   */
  readonly samplePercent?: number;
  /** The service.name of the spans. Default: sluice. */
  readonly serviceName?: string;
  /** Fields that each export carries, such as a key of the receiver. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
}
