/**
 * Compiles the filters of one route, and those of the whole gateway. What is not configured is not
 * there.
 *
 * Thread: loader. A part of compile-routes.ts; runs on a configuration that was checked.
 */
import { sizeBytes } from '../../base/quantities.js';
import { type CompiledFilters, FILTERS } from '../../filters/catalog.js';
import { CORS, type CompiledCors } from '../../filters/cors/options.js';
import { type CompileContext, keysOf } from '../../filters/filter-options.js';
import { WEB_REPLY_FIELDS, WEB_REQUEST_FIELDS } from '../../filters/grpc/options.js';
import type { HttpRule } from '../../filters/grpc-json/http-rules.js';
import { type CompiledGrpcJson, GRPC_JSON_MESSAGE_BYTES } from '../../filters/grpc-json/options.js';
import { compileBodyBounds } from '../../filters/validation/options.js';
import type { CompiledConfig } from '../compiled-config.js';
import type { GatewayConfig, RouteConfig } from '../gateway-config.js';
import type { OpenapiOperation } from '../openapi/openapi-routes.js';
import { readDocument } from '../references/document-file.js';
import { DEFAULTS } from '../schema/defaults.js';

/** What a filter may ask of the route that it is compiled for. */
interface FilterPlace {
  /** Upper case; empty: every method. */
  readonly methods: readonly string[];
  /** Where it does not stand in the path; else empty. */
  readonly version: string;
  /** What a document says about the route, where it comes from one. */
  readonly operation: OpenapiOperation | undefined;
  /** The rule of gRPC that it comes from. */
  readonly rule: DescribedRule | undefined;
}

/** A rule with the descriptors that it stands in. */
export interface DescribedRule {
  readonly rule: HttpRule;
  readonly base64: string;
}

const NOWHERE = { methods: [], version: '', isGrpc: false } as const;

/** The filters of a route: its own, and those of the whole gateway where it has none. */
export function compileFilters(
  route: RouteConfig,
  gateway: GatewayConfig,
  { operation, rule: described, ...place }: FilterPlace,
): CompiledFilters {
  const isGrpc = route.match.grpc !== undefined && described === undefined;
  const context = contextOf(gateway, { ...place, isGrpc });
  const compiled: Record<string, object> = {};
  for (const { options } of FILTERS) {
    const shared = options.gatewayMeans === 'default' ? keysOf(options.gateway, gateway) : {};
    const part = { ...shared, ...keysOf(options.route, route) };
    const made = options.compile(part, context);
    if (made !== null) compiled[options.name] = made;
  }
  if (described !== undefined) {
    compiled['grpcJson'] = compileGrpcJson(route, described, context);
    Reflect.deleteProperty(compiled, 'grpc');
  }
  const { cors, grpc } = compiled as CompiledFilters;
  if (cors !== undefined && grpc?.isWeb === true) compiled['cors'] = withWebFields(cors);
  return {
    // The catalogue knows which type goes by which name; a loop over it does not.
    ...(compiled as CompiledFilters),
    ...(operation && {
      validation: {
        ...operation.validation,
        ...compileBodyBounds(route.validation ?? {}, context),
      },
    }),
  };
}

function compileGrpcJson(
  { grpcJson }: RouteConfig,
  { rule, base64 }: DescribedRule,
  { bodyBytes }: CompileContext,
): CompiledGrpcJson {
  const { maxMessageBytes = GRPC_JSON_MESSAGE_BYTES } = grpcJson ?? {};
  return {
    rule,
    descriptors: base64,
    maxMessageBytes: sizeBytes(maxMessageBytes),
    bodyBytesMax: bodyBytes,
  };
}

/** Pages that may call at all may send the fields of gRPC-Web, and read the status. */
function withWebFields(cors: CompiledCors): CompiledCors {
  return {
    ...cors,
    headers: [...new Set([...cors.headers, ...WEB_REQUEST_FIELDS])],
    exposeHeaders: [...new Set([...cors.exposeHeaders, ...WEB_REPLY_FIELDS])],
  };
}

/** The filters that hold for every request, whether a route takes it or not. */
export function compileGatewayFilters(gateway: GatewayConfig): CompiledConfig['filters'] {
  const context = contextOf(gateway, NOWHERE);
  const compiled: Record<string, object> = {};
  for (const { options } of FILTERS) {
    if (options.gatewayMeans !== 'always') continue;
    const made = options.compile(keysOf(options.gateway, gateway), context);
    if (made !== null) compiled[options.name] = made;
  }
  return compiled as CompiledConfig['filters'];
}

/** CORS of the whole gateway, which refusals go by where no route has a say. */
export function compileSharedCors(gateway: GatewayConfig): CompiledConfig['cors'] {
  const context = contextOf(gateway, NOWHERE);
  return CORS.compile(keysOf(CORS.gateway, gateway), context);
}

type Bounds = Pick<CompileContext, 'headerBytes' | 'headerFields' | 'bodyBytes'>;

/** Of the configurations that are being compiled: they are the same for every route. */
const boundsByGateway = new WeakMap<GatewayConfig, Bounds>();

function contextOf(
  gateway: GatewayConfig,
  place: Pick<CompileContext, 'methods' | 'version' | 'isGrpc'>,
): CompileContext {
  let bounds = boundsByGateway.get(gateway);
  if (bounds === undefined) {
    bounds = boundsOf(gateway);
    boundsByGateway.set(gateway, bounds);
  }
  return { ...place, ...bounds, readDocument };
}

function boundsOf({ limits = {} }: GatewayConfig): Bounds {
  return {
    headerBytes: sizeBytes(limits.headerBytes ?? DEFAULTS.limits.headerBytes),
    headerFields: limits.headerFields ?? DEFAULTS.limits.headerFields,
    bodyBytes: sizeBytes(limits.bodyBytes ?? DEFAULTS.limits.bodyBytes),
  };
}
