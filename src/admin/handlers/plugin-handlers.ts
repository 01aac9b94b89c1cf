/**
 * GET /plugins: how plugins stand. POST /plugins/NAME/restore: one that was put out is used again.
 *
 * Thread: supervisor (on the main thread). Decides nothing: the supervisor's reloader does.
 */
import { type AdminHandler, type AdminReply, adminProblem } from '../admin-handler.js';

/** How one plugin stands, as /stats shows it. */
export interface PluginRow {
  readonly name: string;
  readonly state: 'in use' | 'out';
}

export interface PluginDesk {
  rows(): readonly PluginRow[];
  /** Has the plugin begin anew in all workers. Empty: it has; else why it is not used again. */
  restore(name: string): Promise<readonly string[]>;
}

export function pluginHandlers(desk: PluginDesk): AdminHandler[] {
  return [
    {
      method: 'GET',
      path: '/plugins',
      needsToken: false,
      answer: () => ({ status: 200, body: { plugins: desk.rows() } }),
    },
    {
      method: 'POST',
      path: '/plugins/*/restore',
      needsToken: true,
      answer: ({ rest }) => restore(desk, rest),
    },
  ];
}

async function restore(desk: PluginDesk, name: string): Promise<AdminReply> {
  const rows = desk.rows();
  const row = rows.find((one) => one.name === name);
  if (row === undefined) {
    const names = rows.map((one) => one.name).join(', ') || 'none';
    return adminProblem(404, 'Not Found', `no plugin of this name; those in use: ${names}`);
  }
  if (row.state !== 'out') {
    return adminProblem(409, 'Conflict', `plugin ${name} is in use: it was not put out`);
  }
  const reasons = await desk.restore(name);
  if (reasons.length > 0) return adminProblem(409, 'Plugin not restored', reasons.join('\n'));
  return { status: 200, body: desk.rows().find((one) => one.name === name) ?? {} };
}
