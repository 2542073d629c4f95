/**
 * The append, as one function in the database: the whole of `append-rules` for a group of appends in one round trip and
 * one transaction. It locks each stream's row before it looks at anything of the stream, in the order of the keys, so
 * groups of several nodes wait for each other and never in a circle, and a commit that comes late hides nothing (L3).
 */

/** Also what `checksum` in `checksums` does with a place; both multiply modulo 2^32. */
export const offsetFactor = 2_654_435_761;
export const seqFactor = 2_246_822_519;

/**
 * `p_ops`: see `append-call`. `p_texts`: meta and data of each chunk, in the order of the operations. `p_timeline`: where
 * the caller believes to be; null is anywhere. Answers by index: `[offset, seq, fence]`, or why nothing was written.
 */
export const appendFunction = (schema: string): string => `
CREATE FUNCTION ${schema}.append(p_node text, p_timeline text, p_os boolean, p_ops jsonb, p_texts text[])
RETURNS TABLE (i int, answer jsonb) LANGUAGE plpgsql AS $append$
#variable_conflict use_column
DECLARE
  op record;
  chunk jsonb;
  known record;
  target record;
  cur text COLLATE "C";
  cur_shard int;
  cur_oldest text COLLATE "C";
  cur_first bigint;
  cur_head bigint;
  head_before bigint;
  seq_before bigint;
  v_run bigint;
  v_seq bigint;
  v_fence bigint;
  v_text int;
  v_count bigint;
  grown boolean := false;
BEGIN
  IF p_timeline IS NOT NULL AND p_timeline <> left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) THEN
    RAISE EXCEPTION 'the database is on another timeline than at the start of the connection' USING ERRCODE = 'RC001';
  END IF;
  IF p_os THEN PERFORM set_config('synchronous_commit', 'off', true); END IF;
  FOR op IN
    SELECT x.*, coalesce(x.s, n.stream) COLLATE "C" AS stream
    FROM jsonb_to_recordset(p_ops) AS x(i int, s text, b int, claim boolean, t text, r text, q bigint, f bigint, c jsonb,
      e text, g boolean, z text, o text, a jsonb, k jsonb, h jsonb, x jsonb, at int)
    LEFT JOIN ${schema}.names n ON x.s IS NULL AND n.run_id = x.r AND n.tenant = x.t
    ORDER BY coalesce(x.s, n.stream) COLLATE "C", x.i
  LOOP
    i := op.i;
    IF op.stream IS NULL THEN
      answer := NULL; RETURN NEXT; CONTINUE;
    END IF;

    IF cur IS DISTINCT FROM op.stream THEN
      IF grown THEN
        UPDATE ${schema}.streams s SET head = cur_head, oldest = cur_oldest WHERE s.stream = cur;
        PERFORM pg_notify('runcast_${schema}_' || cur_shard, p_node || ' ' || cur_head || ' ' || cur);
        grown := false;
      END IF;
      cur := op.stream;
      SELECT s.head, s.first, s.oldest INTO cur_head, cur_first, cur_oldest
        FROM ${schema}.streams s WHERE s.stream = cur FOR UPDATE;
      IF NOT FOUND THEN
        IF op.claim OR (op.t IS NOT NULL AND op.c IS NULL) THEN
          answer := CASE WHEN op.claim THEN NULL ELSE '{"kind":"no_run"}'::jsonb END;
          cur := NULL; RETURN NEXT; CONTINUE;
        END IF;
        INSERT INTO ${schema}.streams (stream) VALUES (cur) ON CONFLICT DO NOTHING;
        SELECT s.head, s.first, s.oldest INTO cur_head, cur_first, cur_oldest
          FROM ${schema}.streams s WHERE s.stream = cur FOR UPDATE;
      END IF;
    END IF;

    IF op.claim THEN
      UPDATE ${schema}.runs r SET fence = r.fence + 1 FROM ${schema}.names n
        WHERE n.run_id = op.r AND n.tenant = op.t AND r.stream = n.stream AND r.first_offset = n.first_offset
          AND r.stream = cur AND r.ended IS NULL
        RETURNING jsonb_build_array(r.fence, r.seq) INTO answer;
      RETURN NEXT; CONTINUE;
    END IF;

    v_run := NULL; v_seq := 0; v_fence := 0;
    IF op.c IS NOT NULL THEN
      INSERT INTO ${schema}.names (run_id, tenant, stream, first_offset) VALUES (op.r, op.t, cur, cur_head + 1)
        ON CONFLICT DO NOTHING;
      IF NOT FOUND THEN
        SELECT to_jsonb(r) INTO answer FROM ${schema}.names n
          JOIN ${schema}.runs r ON r.stream = n.stream AND r.first_offset = n.first_offset
          WHERE n.run_id = op.r AND n.tenant = op.t;
        IF NOT FOUND THEN
          RAISE EXCEPTION 'the run was retired just now' USING ERRCODE = '40001';
        END IF;
        answer := jsonb_build_object('kind', 'run_exists', 'run', answer);
        RETURN NEXT; CONTINUE;
      END IF;
      IF op.g AND op.c ->> 'parentRunId' IS NOT NULL AND NOT EXISTS (
        SELECT FROM ${schema}.names n JOIN ${schema}.runs r ON r.stream = n.stream AND r.first_offset = n.first_offset
          WHERE n.run_id = op.c ->> 'parentRunId' AND n.tenant = op.t AND n.stream = cur AND r.ended IS NULL
      ) THEN
        DELETE FROM ${schema}.names n WHERE n.run_id = op.r AND n.tenant = op.t;
        answer := '{"kind":"no_parent"}'; RETURN NEXT; CONTINUE;
      END IF;
      v_run := cur_head + 1; v_fence := 1;
    ELSIF op.t IS NOT NULL THEN
      SELECT r.first_offset, r.fence, r.seq, r.ended INTO target FROM ${schema}.names n
        JOIN ${schema}.runs r ON r.stream = n.stream AND r.first_offset = n.first_offset
        WHERE n.run_id = op.r AND n.tenant = op.t AND n.stream = cur AND r.stream = cur;
      IF NOT FOUND THEN
        answer := '{"kind":"no_run"}'; RETURN NEXT; CONTINUE;
      END IF;
      v_run := target.first_offset; v_seq := target.seq; v_fence := target.fence;
      IF op.f IS NOT NULL AND op.f <> v_fence THEN
        answer := jsonb_build_object('kind', 'fenced', 'fence', v_fence); RETURN NEXT; CONTINUE;
      END IF;
    END IF;

    IF op.c IS NULL THEN
      IF op.k IS NOT NULL THEN
        SELECT k.name, k.digest, k.seq, k.at_offset INTO known
          FROM jsonb_array_elements(op.k) WITH ORDINALITY AS e(value, nth)
          JOIN ${schema}.keys k ON k.stream = cur AND k.run = coalesce(v_run, 0) AND k.name = e.value ->> 0
          ORDER BY e.nth LIMIT 1;
        IF FOUND THEN
          answer := jsonb_build_object('kind', 'key_known', 'key', known.name, 'known',
            jsonb_build_object('digest', known.digest, 'seq', known.seq, 'offset', known.at_offset));
          RETURN NEXT; CONTINUE;
        END IF;
      END IF;
      IF v_run IS NOT NULL THEN
        IF target.ended IS NOT NULL THEN
          answer := jsonb_build_object('kind', 'run_ended', 'ended', target.ended); RETURN NEXT; CONTINUE;
        END IF;
        IF op.q <> v_seq THEN
          answer := jsonb_build_object('kind', 'seq_conflict', 'seq', v_seq); RETURN NEXT; CONTINUE;
        END IF;
        IF op.g AND op.e IS NOT NULL AND EXISTS (
          SELECT FROM ${schema}.runs r WHERE r.stream = cur AND r.ended IS NULL AND r.parent_run_id = op.r
        ) THEN
          answer := '{"kind":"child_lives"}'; RETURN NEXT; CONTINUE;
        END IF;
      END IF;
    END IF;

    head_before := cur_head; seq_before := v_seq; v_text := op.at;
    FOR chunk IN SELECT value FROM jsonb_array_elements(op.h) LOOP
      v_count := (chunk ->> 0)::bigint;
      INSERT INTO ${schema}.events
          (stream, first_offset, last_offset, run, run_id, first_seq, time, units, meta, data, crc)
        VALUES (cur, cur_head + 1, cur_head + v_count, v_run, op.r,
          CASE WHEN v_run IS NULL THEN NULL ELSE v_seq + 1 END, chunk ->> 3, (chunk ->> 1)::int,
          p_texts[v_text], p_texts[v_text + 1],
          ((chunk ->> 2)::bigint + ((cur_head + 1) & 2147483647) * ${offsetFactor} % 4294967296
            + ((cur_head + v_count) & 2147483647) * ${seqFactor} % 4294967296
            + CASE WHEN v_run IS NULL THEN 0 ELSE (v_seq + 1 & 2147483647) * ${offsetFactor} % 4294967296 END) % 4294967296);
      cur_head := cur_head + v_count;
      IF v_run IS NOT NULL THEN v_seq := v_seq + v_count; END IF;
      v_text := v_text + 2;
    END LOOP;

    IF op.c IS NOT NULL THEN
      INSERT INTO ${schema}.runs (stream, first_offset, place, tenant, run_id, thread, agent, profile, on_illegal, mode,
          lease_ms, deadline_ms, parent_run_id, start_digest, started_at, fence, seq, last_offset, ended, compact_at)
        VALUES (cur, v_run, nextval('${schema}.places'), op.t, op.r, op.c ->> 'threadId', op.c ->> 'agent',
          op.c ->> 'profile', op.c ->> 'onIllegal', op.c ->> 'mode', (op.c ->> 'leaseMs')::bigint,
          (op.c ->> 'deadlineMs')::bigint, op.c ->> 'parentRunId', op.c ->> 'startDigest', op.c ->> 'startedAt',
          1, v_seq, cur_head, op.e, CASE WHEN op.e IS NULL THEN NULL ELSE op.z END);
    ELSIF v_run IS NOT NULL THEN
      UPDATE ${schema}.runs r SET seq = v_seq, last_offset = cur_head, ended = op.e,
          compact_at = CASE WHEN op.e IS NULL THEN NULL ELSE op.z END
        WHERE r.stream = cur AND r.first_offset = v_run;
    END IF;
    IF op.k IS NOT NULL THEN
      INSERT INTO ${schema}.keys (stream, run, name, digest, seq, at_offset)
        SELECT cur, coalesce(v_run, 0), k ->> 0, k ->> 1,
            CASE WHEN v_run IS NULL THEN 0 ELSE seq_before + 1 + (k ->> 2)::bigint END, head_before + 1 + (k ->> 2)::bigint
          FROM jsonb_array_elements(op.k) AS k;
    END IF;
    IF op.a IS NOT NULL THEN
      INSERT INTO ${schema}.approvals (approval_id, tenant, stream, run)
        SELECT id, op.t, cur, v_run FROM jsonb_array_elements_text(op.a) AS id ON CONFLICT DO NOTHING;
    END IF;
    IF op.x IS NOT NULL THEN
      INSERT INTO ${schema}.outbox (stream, at_offset, place, event_id, type, run_id, thread, time, state, note, version)
        SELECT cur, head_before + 1 + (x ->> 0)::bigint, nextval('${schema}.places'), x ->> 1, x ->> 2, op.r, x ->> 4,
            x ->> 3, 'waiting', '', 1
          FROM jsonb_array_elements(op.x) AS x;
    END IF;
    cur_oldest := coalesce(cur_oldest, op.o);
    cur_shard := op.b;
    grown := true;
    answer := jsonb_build_array(cur_head, v_seq, v_fence);
    RETURN NEXT;
  END LOOP;
  IF grown THEN
    UPDATE ${schema}.streams s SET head = cur_head, oldest = cur_oldest WHERE s.stream = cur;
    PERFORM pg_notify('runcast_${schema}_' || cur_shard, p_node || ' ' || cur_head || ' ' || cur);
  END IF;
END $append$`;
