/**
 * The writes beside the append, each one function in the database, so that it costs one round trip and is whole or not at
 * all. Whoever locks more than one row locks them in the order of their keys: stream, runs, then the rest.
 */

const put = (schema: string): string => `
CREATE FUNCTION ${schema}.put(p_kind text, p_key text, p_value text, p_expected bigint)
RETURNS TABLE (written boolean, version bigint) LANGUAGE plpgsql AS $put$
#variable_conflict use_column
DECLARE
  was bigint;
BEGIN
  LOOP
    SELECT d.version INTO was FROM ${schema}.documents d WHERE d.kind = p_kind AND d.key = p_key FOR UPDATE;
    was := coalesce(was, 0);
    IF p_expected IS NOT NULL AND p_expected <> was THEN
      RETURN QUERY SELECT false, was; RETURN;
    END IF;
    IF p_value IS NULL THEN
      DELETE FROM ${schema}.documents d WHERE d.kind = p_kind AND d.key = p_key;
      RETURN QUERY SELECT true, 0::bigint; RETURN;
    END IF;
    IF was > 0 THEN
      UPDATE ${schema}.documents d SET value = p_value, version = was + 1 WHERE d.kind = p_kind AND d.key = p_key;
      RETURN QUERY SELECT true, was + 1; RETURN;
    END IF;
    INSERT INTO ${schema}.documents (kind, key, value, version) VALUES (p_kind, p_key, p_value, 1) ON CONFLICT DO NOTHING;
    IF FOUND THEN
      RETURN QUERY SELECT true, 1::bigint; RETURN;
    END IF;
    -- Somebody was first just now: look again.
  END LOOP;
END $put$`;

const saveCursors = (schema: string): string => `
CREATE FUNCTION ${schema}.save_cursors(p_cursors jsonb) RETURNS void LANGUAGE plpgsql AS $save$
#variable_conflict use_column
DECLARE
  ack record;
BEGIN
  -- A cursor that a power cut takes back is only delivered from again.
  PERFORM set_config('synchronous_commit', 'off', true);
  FOR ack IN
    SELECT c.s, c.d, max(c.o) AS o FROM jsonb_to_recordset(p_cursors) AS c(s text, d text, o bigint)
    WHERE c.o > 0 GROUP BY c.s, c.d ORDER BY c.s COLLATE "C", c.d COLLATE "C"
  LOOP
    PERFORM FROM ${schema}.streams s WHERE s.stream = ack.s AND s.head >= ack.o;
    CONTINUE WHEN NOT FOUND;
    INSERT INTO ${schema}.acks AS a (stream, acked) VALUES (ack.s, ack.o)
      ON CONFLICT (stream) DO UPDATE SET acked = excluded.acked WHERE a.acked < excluded.acked;
    INSERT INTO ${schema}.cursors AS c (stream, device, at_offset) VALUES (ack.s, ack.d, ack.o)
      ON CONFLICT (stream, device) DO UPDATE SET at_offset = excluded.at_offset WHERE c.at_offset < excluded.at_offset;
    -- Locked first: what somebody moves right now is looked at as he leaves it.
    PERFORM FROM ${schema}.outbox o WHERE o.stream = ack.s AND o.at_offset <= ack.o ORDER BY o.at_offset FOR UPDATE;
    IF FOUND THEN
      DELETE FROM ${schema}.outbox o
        WHERE o.stream = ack.s AND o.at_offset <= ack.o AND o.state IN ('waiting', 'exhausted');
    END IF;
  END LOOP;
END $save$`;

const moveOutbox = (schema: string): string => `
CREATE FUNCTION ${schema}.move_outbox(p_stream text, p_offset bigint, p_version bigint, p_to text, p_note text,
  p_unless_acked boolean) RETURNS jsonb LANGUAGE plpgsql AS $move$
#variable_conflict use_column
DECLARE
  moved jsonb;
BEGIN
  SELECT to_jsonb(o) INTO moved FROM ${schema}.outbox o WHERE o.stream = p_stream AND o.at_offset = p_offset FOR UPDATE;
  IF moved IS NULL OR (moved ->> 'version')::bigint <> p_version THEN
    RETURN jsonb_build_object('kind', 'version_conflict', 'row', moved);
  END IF;
  IF p_unless_acked AND EXISTS (SELECT FROM ${schema}.acks a WHERE a.stream = p_stream AND a.acked >= p_offset) THEN
    DELETE FROM ${schema}.outbox o WHERE o.stream = p_stream AND o.at_offset = p_offset;
    RETURN '{"kind":"acked"}';
  END IF;
  IF p_to IS NULL THEN
    DELETE FROM ${schema}.outbox o WHERE o.stream = p_stream AND o.at_offset = p_offset;
    RETURN '{"kind":"moved"}';
  END IF;
  UPDATE ${schema}.outbox o SET state = p_to, note = coalesce(p_note, o.note), version = o.version + 1
    WHERE o.stream = p_stream AND o.at_offset = p_offset RETURNING to_jsonb(o) INTO moved;
  RETURN jsonb_build_object('kind', 'moved', 'row', moved);
END $move$`;

/**
 * Names offsets as lost; a letter says so of those that were not known. `p_before`: by the word of a broken row they belong to
 * it, which is believed only of what stands behind the row before.
 */
const bury = (schema: string): string => `
CREATE FUNCTION ${schema}.bury(p_stream text, p_tenant text, p_from bigint, p_upto bigint, p_reason text, p_time text,
  p_before boolean) RETURNS void LANGUAGE plpgsql AS $bury$
#variable_conflict use_column
DECLARE
  fresh bigint;
BEGIN
  IF p_before THEN
    p_from := greatest(p_from, 1 + (SELECT coalesce(max(e.last_offset), 0) FROM ${schema}.events e
      WHERE e.stream = p_stream AND e.last_offset <= p_upto));
  END IF;
  INSERT INTO ${schema}.lost (stream, at_offset) SELECT p_stream, generate_series(p_from, p_upto) ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS fresh = ROW_COUNT;
  IF fresh > 0 THEN
    INSERT INTO ${schema}.letters (stream, place, kind, tenant, from_offset, upto_offset, events, reason, time)
      VALUES (p_stream, nextval('${schema}.places'), 'corrupt', p_tenant, p_from, p_upto, fresh, p_reason, p_time);
  END IF;
END $bury$`;

/** The last offset that is older than a moment, found by halving: times ascend along a stream. */
const oldUpto = (schema: string): string => `
CREATE FUNCTION ${schema}.old_upto(p_stream text, p_first bigint, p_head bigint, p_before text) RETURNS bigint
LANGUAGE plpgsql STABLE AS $old$
#variable_conflict use_column
DECLARE
  low bigint := p_first - 1;
  high bigint := p_head;
  middle bigint;
  found_row record;
BEGIN
  WHILE low < high LOOP
    middle := low + (high - low + 1) / 2;
    SELECT e.first_offset, e.last_offset, e.time INTO found_row FROM ${schema}.events e
      WHERE e.stream = p_stream AND e.last_offset BETWEEN middle AND p_head ORDER BY e.last_offset LIMIT 1;
    -- Behind it nothing is left: what is gone is as old as what stood before it.
    IF NOT FOUND THEN
      EXIT WHEN middle = low + 1;
      high := middle - 1;
    ELSIF found_row.time < p_before THEN
      low := found_row.last_offset;
    ELSE
      high := least(middle, found_row.first_offset) - 1;
    END IF;
  END LOOP;
  RETURN low;
END $old$`;

/**
 * Moves the beginning of a stream up to behind `p_cut`, if it still stands at `p_first`. The rows behind it are rubbish
 * from then on. Answers how many events died, or null.
 */
const retire = (schema: string): string => `
CREATE FUNCTION ${schema}.retire(p_stream text, p_tenant text, p_first bigint, p_cut bigint, p_now text, p_reason text)
RETURNS bigint LANGUAGE plpgsql AS $retire$
#variable_conflict use_column
DECLARE
  v_first bigint;
  v_head bigint;
  v_acked bigint;
  unacked_from bigint;
  lost_before bigint := 0;
  lost_acked bigint := 0;
  fresh bigint := 0;
  letter_from bigint;
  letter_events bigint;
BEGIN
  SELECT s.first, s.head INTO v_first, v_head FROM ${schema}.streams s WHERE s.stream = p_stream FOR UPDATE;
  IF v_first IS DISTINCT FROM p_first THEN RETURN NULL; END IF;
  IF p_cut >= p_first THEN
    PERFORM FROM ${schema}.runs r WHERE r.stream = p_stream AND r.first_offset <= p_cut ORDER BY r.first_offset FOR UPDATE;
    INSERT INTO ${schema}.rubbish (stream, run) SELECT p_stream, 0 UNION ALL
      SELECT p_stream, r.first_offset FROM ${schema}.runs r WHERE r.stream = p_stream AND r.first_offset <= p_cut
      ON CONFLICT DO NOTHING;
    DELETE FROM ${schema}.names n USING ${schema}.runs r WHERE r.stream = p_stream AND r.first_offset <= p_cut
      AND n.run_id = r.run_id AND n.tenant = r.tenant;
    DELETE FROM ${schema}.approvals a WHERE a.stream = p_stream AND a.run <= p_cut;
    DELETE FROM ${schema}.runs r WHERE r.stream = p_stream AND r.first_offset <= p_cut;
    DELETE FROM ${schema}.keys k WHERE k.stream = p_stream AND k.run = 0 AND k.at_offset <= p_cut;
    DELETE FROM ${schema}.outbox o WHERE o.stream = p_stream AND o.at_offset <= p_cut;
    SELECT a.acked INTO v_acked FROM ${schema}.acks a WHERE a.stream = p_stream;
    unacked_from := greatest(p_first, coalesce(v_acked, 0) + 1);
    SELECT count(*) FILTER (WHERE l.at_offset >= unacked_from), count(*) FILTER (WHERE l.at_offset < unacked_from)
      INTO lost_before, lost_acked FROM ${schema}.lost l WHERE l.stream = p_stream AND l.at_offset <= p_cut;
    DELETE FROM ${schema}.lost l WHERE l.stream = p_stream AND l.at_offset <= p_cut;
    fresh := greatest(p_cut + 1 - unacked_from, 0) - lost_before;
    IF fresh > 0 THEN
      -- A stream that loses a little at every sweep has one letter a day.
      DELETE FROM ${schema}.letters d WHERE d.stream = p_stream AND d.place = (
          SELECT max(l.place) FROM ${schema}.letters l WHERE l.stream = p_stream AND l.kind = 'retired')
        AND d.upto_offset + 1 = unacked_from AND left(d.time, 10) = left(p_now, 10)
        RETURNING d.from_offset, d.events INTO letter_from, letter_events;
      INSERT INTO ${schema}.letters (stream, place, kind, tenant, from_offset, upto_offset, events, reason, time)
        VALUES (p_stream, nextval('${schema}.places'), 'retired', p_tenant, coalesce(letter_from, unacked_from), p_cut,
          coalesce(letter_events, 0) + fresh, p_reason, p_now);
    END IF;
    v_first := p_cut + 1;
  END IF;
  UPDATE ${schema}.streams s SET first = v_first, dead = s.dead + fresh + lost_before + lost_acked,
      oldest = (SELECT e.time FROM ${schema}.events e WHERE e.stream = p_stream AND e.last_offset >= v_first
        ORDER BY e.last_offset LIMIT 1)
    WHERE s.stream = p_stream;
  RETURN fresh;
END $retire$`;

/** Deletes up to a number of rows that no reader comes to any more, and says how many. Two who clean do not meet. */
const clean = (schema: string): string => `
CREATE FUNCTION ${schema}.clean(p_limit bigint) RETURNS bigint LANGUAGE plpgsql AS $clean$
#variable_conflict use_column
DECLARE
  heap record;
  done bigint;
  total bigint := 0;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  FOR heap IN SELECT u.stream, u.run FROM ${schema}.rubbish u LIMIT p_limit FOR UPDATE SKIP LOCKED LOOP
    EXIT WHEN total >= p_limit;
    IF heap.run = 0 THEN
      DELETE FROM ${schema}.events e WHERE e.stream = heap.stream AND e.last_offset IN (
        SELECT o.last_offset FROM ${schema}.events o WHERE o.stream = heap.stream
          AND o.last_offset < (SELECT s.first FROM ${schema}.streams s WHERE s.stream = heap.stream)
        ORDER BY o.last_offset LIMIT p_limit - total);
    ELSE
      DELETE FROM ${schema}.keys k WHERE k.stream = heap.stream AND k.run = heap.run AND k.name IN (
        SELECT o.name FROM ${schema}.keys o WHERE o.stream = heap.stream AND o.run = heap.run LIMIT p_limit - total);
    END IF;
    GET DIAGNOSTICS done = ROW_COUNT;
    IF done < p_limit - total THEN
      DELETE FROM ${schema}.rubbish u WHERE u.stream = heap.stream AND u.run = heap.run;
    END IF;
    total := total + done + 1;
  END LOOP;
  RETURN total;
END $clean$`;

/**
 * Puts chunks in the place of others of a run that has ended, if those still are what was read, and moves the mark of what
 * is compacted. Whoever retires locks the run's row first as well.
 */
const compact = (schema: string): string => `
CREATE FUNCTION ${schema}.compact(p_stream text, p_run bigint, p_was bigint, p_upto bigint, p_done boolean,
  p_old jsonb, p_new jsonb, p_texts text[]) RETURNS boolean LANGUAGE plpgsql AS $compact$
#variable_conflict use_column
DECLARE
  still bigint;
BEGIN
  PERFORM set_config('synchronous_commit', 'off', true);
  PERFORM FROM ${schema}.runs r WHERE r.stream = p_stream AND r.first_offset = p_run AND r.compacted = p_was
    AND r.compact_at IS NOT NULL FOR UPDATE;
  IF NOT FOUND THEN RETURN false; END IF;
  -- Only who holds the run's row replaces or deletes its events.
  SELECT count(*) INTO still FROM ${schema}.events e, jsonb_array_elements(p_old) AS o
    WHERE e.stream = p_stream AND e.last_offset = (o ->> 0)::bigint AND e.crc = (o ->> 1)::bigint;
  IF still <> jsonb_array_length(p_old) THEN RETURN false; END IF;
  DELETE FROM ${schema}.events e USING jsonb_array_elements(p_old) AS o
    WHERE e.stream = p_stream AND e.last_offset = (o ->> 0)::bigint;
  INSERT INTO ${schema}.events (stream, first_offset, last_offset, run, run_id, first_seq, time, units, meta, data, crc)
    SELECT p_stream, (n.value ->> 0)::bigint, (n.value ->> 1)::bigint, p_run, r.run_id, (n.value ->> 2)::bigint,
        n.value ->> 3, (n.value ->> 4)::int, p_texts[2 * n.nth - 1], p_texts[2 * n.nth], (n.value ->> 5)::bigint
      FROM jsonb_array_elements(p_new) WITH ORDINALITY AS n(value, nth), ${schema}.runs r
      WHERE r.stream = p_stream AND r.first_offset = p_run;
  UPDATE ${schema}.runs r SET compacted = p_upto, compact_at = CASE WHEN p_done THEN NULL ELSE r.compact_at END
    WHERE r.stream = p_stream AND r.first_offset = p_run;
  RETURN true;
END $compact$`;

/** Which history this is: the epoch of a source that is known, or a new one, written once by whoever comes first. */
const enter = (schema: string): string => `
CREATE FUNCTION ${schema}.enter(p_source text, p_epoch text) RETURNS text LANGUAGE plpgsql AS $enter$
#variable_conflict use_column
DECLARE
  entered text;
BEGIN
  SELECT i.epoch INTO entered FROM ${schema}.incarnation i WHERE i.source = p_source;
  IF NOT FOUND THEN
    INSERT INTO ${schema}.incarnation AS i (source, epoch) VALUES (p_source, p_epoch)
      ON CONFLICT (is_one) DO UPDATE SET source = excluded.source, epoch = excluded.epoch WHERE i.source <> excluded.source;
    SELECT i.epoch INTO entered FROM ${schema}.incarnation i;
  END IF;
  RETURN entered;
END $enter$`;

export const otherFunctions = (schema: string): readonly string[] =>
  [put, saveCursors, moveOutbox, bury, oldUpto, retire, clean, compact, enter].map((made) => made(schema));
