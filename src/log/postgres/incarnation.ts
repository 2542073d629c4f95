/**
 * Which history a connection stands in. An asynchronous replica that became the primary may lack what was acknowledged, and
 * so may a database that was restored: both come with another source, and the first node that meets it writes a new epoch
 * before anything is appended or read on that connection. With synchronous replicas nothing is lost, and the epoch changes
 * all the same: it says "may differ", not "does".
 */
import { asEpoch } from "../../../protocol/ids.ts";
import type { Clock } from "../../platform/clock.ts";
import { newEpoch } from "../epoch.ts";
import type { Enter, Entered } from "./connection.ts";
import { migrate } from "./migrations.ts";
import type { PostgresSettings } from "./settings.ts";

/**
 * The cluster, its timeline (a promotion and a restore to a point in time begin a new one), the database and its table (a
 * dump that is read back makes new ones). The timeline comes from the log that is written, for the control file says it
 * only after the next checkpoint.
 */
const selectSource = (schema: string, cluster: string): string => `
SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) AS timeline,
  concat_ws('/', ${cluster},
    left(pg_walfile_name(pg_current_wal_insert_lsn()), 8),
    (SELECT oid FROM pg_database WHERE datname = current_database()), to_regclass('${schema}.streams')::oid) AS source`;

/** Where an administrator has taken it away, a database of the same number on another cluster is not told apart. */
const mayAsk = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE') AS may";

/** Also brings the schema up: a connection that is entered finds everything. */
export function entering(settings: PostgresSettings, clock: Clock): Enter<Entered> {
  const { schema } = settings;
  let isUp = false;
  return async (query) => {
    if (!isUp) await migrate(query, settings);
    isUp = true;
    const [asked] = await query<{ may: boolean }>({ text: mayAsk });
    const cluster = asked?.may === true ? "(SELECT system_identifier FROM pg_control_system())" : "NULL";
    const [found] = await query<{ timeline: string; source: string }>({ text: selectSource(schema, cluster) });
    if (found === undefined) throw new Error("the database does not say where it stands");
    const values = [found.source, newEpoch(clock.random)];
    const [entered] = await query<{ epoch: string }>({ text: `SELECT ${schema}.enter($1, $2) AS epoch`, values });
    if (entered === undefined) throw new Error("the database does not say which history it is");
    return { timeline: found.timeline, epoch: asEpoch(entered.epoch) };
  };
}
