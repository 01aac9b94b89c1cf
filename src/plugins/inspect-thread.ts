/**
 * Looks at plugins in a thread of its own: loads each, asks it what it is, and checks its options.
 *
 * Thread: inspector. It lives as long as that takes: what the modules of a
 * plugin do when they are loaded ends with it, and nothing of them stays. `setup` is not called.
 */
import { fileURLToPath } from 'node:url';
import { type MessagePort, workerData } from 'node:worker_threads';
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import ajvFormats from 'ajv-formats';
import { isProgramFile } from '../base/program-file.js';
import { PLUGIN_COUNTERS_MAX } from '../channel/plugins/plugin-board.js';
import { raiseFlag, type ThreadFlag } from '../channel/plugins/thread-flag.js';
import { evaluateModules } from './evaluate-modules.js';
import { findPackage } from './find-package.js';
import type { Inspection, InspectionProblem, InspectOrder } from './inspection.js';
import { readModules } from './module-graph.js';
import { describedIn } from './program-description.js';

interface InspectTask {
  readonly orders: readonly InspectOrder[];
  readonly port: MessagePort;
  readonly flag: ThreadFlag;
}

class Refused extends Error {
  constructor(readonly problems: readonly InspectionProblem[]) {
    super('refused');
  }
}

const { orders, port, flag } = workerData as InspectTask;
process.exit = () => {
  throw new Error('process.exit() is not for plugins');
};
// A promise of a plugin that nobody handles is found when it happens in a worker.
process.on('unhandledRejection', () => {});
for (const order of orders) port.postMessage(await inspect(order));
raiseFlag(flag);

async function inspect(order: InspectOrder): Promise<Inspection> {
  const files: string[] = [];
  try {
    if (isProgramFile(order.file)) return inspectGiven(order);
    const file = fileOf(order);
    files.push(file);
    const modules = readModules(file);
    files.push(...modules.map(({ url }) => fileURLToPath(url)));
    const { default: plugin } = await evaluateModules(modules);
    const { counters, schema } = describe(plugin);
    const options = structuredClone(order.options);
    checkOptions(options, schema);
    return { isValid: true, modules, counters, options, files: [...new Set(files)] };
  } catch (error) {
    const problems =
      error instanceof Refused
        ? error.problems
        : [{ message: `cannot be loaded: ${textOf(error)}` }];
    return { isValid: false, problems, files: [...new Set(files)] };
  }
}

/** An object of the program, as it says of itself. */
function inspectGiven(order: InspectOrder): Inspection {
  const given = describedIn(order.file);
  if (given === undefined) refuse('this process has no such plugin: createGateway() gives it');
  const { counters, schema } = describe(given);
  const options = structuredClone(order.options);
  checkOptions(options, schema);
  return { isValid: true, modules: [], counters, options, files: [] };
}

function fileOf({ file, package: name }: InspectOrder): string {
  if (name !== '') return findPackage(name, process.cwd());
  return file.startsWith('file:') ? fileURLToPath(file) : file;
}

function describe(plugin: unknown): { readonly counters: string[]; readonly schema: unknown } {
  if (typeof plugin !== 'object' || plugin === null) {
    refuse('its module has no default export: export default definePlugin({ name, setup })');
  }
  const { name, setup, options, counters = [] } = plugin as Record<string, unknown>;
  if (typeof name !== 'string' || name === '') refuse('its name must be a text');
  if (typeof setup !== 'function') refuse('it has no function setup(options, context)');
  const isList = Array.isArray(counters) && counters.every((one) => typeof one === 'string');
  if (!isList || !counters.every((one) => /^[A-Za-z0-9_]{1,64}$/.test(one))) {
    refuse('its counters must be names of letters, digits and "_"');
  }
  if (counters.length > PLUGIN_COUNTERS_MAX || new Set(counters).size < counters.length) {
    refuse(`it has more than ${PLUGIN_COUNTERS_MAX} counters, or one of them twice`);
  }
  return { counters, schema: options };
}

/** Fills in defaults. */
function checkOptions(options: object, schema: unknown): void {
  const rule = schema ?? { type: 'object', additionalProperties: false };
  const ajv = new Ajv2020({ allErrors: true, useDefaults: true, strict: false });
  ajvFormats.default(ajv);
  let validate: ReturnType<typeof ajv.compile>;
  try {
    validate = ajv.compile(rule as object);
  } catch (error) {
    refuse(`the schema of its options is none: ${textOf(error)}`);
  }
  if (validate(options)) return;
  throw new Refused((validate.errors ?? []).map(problemOf));
}

function problemOf({
  instancePath,
  keyword,
  params,
  message = '',
}: ErrorObject): InspectionProblem {
  const key = keyword === 'additionalProperties' ? String(params['additionalProperty']) : '';
  if (key !== '') return { pointer: `${instancePath}/${key}`, message: `unknown option "${key}"` };
  const missing = keyword === 'required' ? String(params['missingProperty']) : '';
  if (missing !== '') return { pointer: instancePath, message: `missing option "${missing}"` };
  return { pointer: instancePath, message };
}

function refuse(message: string): never {
  throw new Refused([{ message }]);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
