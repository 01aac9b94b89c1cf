/**
 * The filters in the configuration as users write it. Each describes its own options.
 *
 * Thread: any (pure). A part of gateway-config.ts.
 */
import type { CorsConfig } from '../filters/cors/options.js';
import type { RedirectConfig, RespondConfig } from '../filters/fixed-reply/options.js';
import type { GuardsConfig } from '../filters/guards/options.js';
import type { IpFilterConfig } from '../filters/ip-filter/options.js';
import type { SecurityHeadersConfig } from '../filters/security-headers/options.js';
import type { RewriteConfig, RewriteReplyConfig } from '../filters/transformation/options.js';
import type { ValidationConfig } from '../filters/validation/options.js';
import type { DeprecationConfig, VersioningConfig } from '../filters/versioning/options.js';
import type { HardeningConfig, RequestIdConfig } from '../routing/options.js';

/** Of the whole gateway. */
export interface GatewayFiltersConfig {
  /** What is done about spellings that a target could read in another way. */
  readonly hardening?: HardeningConfig;
  /** Where the id of a request comes from. */
  readonly requestId?: RequestIdConfig;
  /** Which client addresses may call at all. Default: all. */
  readonly ipFilter?: IpFilterConfig;
  /** How requests say which version they mean, for routes with `match.version`. Default: none. */
  readonly versioning?: VersioningConfig;
  /** CORS of the routes that have none of their own. Default: none. */
  readonly cors?: CorsConfig;
  /** Of the routes that do not say otherwise. Default: false. */
  readonly securityHeaders?: boolean | SecurityHeadersConfig;
}

/** Of one route. */
export interface RouteFiltersConfig {
  /** A reply that the gateway gives itself. */
  readonly respond?: RespondConfig;
  /** Where clients are sent. */
  readonly redirect?: RedirectConfig;
  /** Which client addresses may call, beside the gateway's own `ipFilter`. Default: all. */
  readonly ipFilter?: IpFilterConfig;
  /** Which pages of other origins may call from a browser. Default: the gateway's. */
  readonly cors?: CorsConfig;
  /** Fields that make browsers stricter; true for the preset. Default: the gateway's. */
  readonly securityHeaders?: boolean | SecurityHeadersConfig;
  /** How large and how slow requests may be. Default: as `limits` says. */
  readonly guards?: GuardsConfig;
  /** When the route ends, and since when clients should look for another. Default: never. */
  readonly deprecation?: DeprecationConfig;
  /** What requests must look like. Default: anything goes. */
  readonly validation?: ValidationConfig;
  /** What changes in the request on its way to the upstream. Default: nothing. */
  readonly rewrite?: RewriteConfig;
  /** What changes in the reply of the upstream. Default: nothing. */
  readonly rewriteReply?: RewriteReplyConfig;
}
