"""Spans and payloads: partitioned by day, keyed by organization first.

A day's partitions are made by telemetry_ensure_day(), which runs with the owner's rights, so that the ingest role (which
may only insert) can ask for a day that nobody prepared. It attaches a finished table: CREATE … PARTITION OF would lock
the parent against every reader, ATTACH does not.
"""

from django.db import migrations

KEY = """
    organization_id uuid NOT NULL,
    trace_id text COLLATE "C" NOT NULL,
    span_id text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL,
"""

SPAN = f"""
CREATE TABLE telemetry_span (
    {KEY}
    duration_us bigint,
    received_at timestamptz NOT NULL DEFAULT now(),
    parent_span_id text COLLATE "C",
    name text NOT NULL,
    kind text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL,
    status_message text,
    error_type text,
    error_category text COLLATE "C",
    agent text COLLATE "C" NOT NULL,
    agent_version text,
    environment text,
    task_id text COLLATE "C",
    task_type text,
    conversation_id text,
    user_id text,
    provider text,
    model text,
    tool text,
    input_tokens bigint,
    output_tokens bigint,
    cache_read_tokens bigint,
    cache_write_tokens bigint,
    reasoning_tokens bigint,
    cost_usd numeric(20, 10),
    price_state text COLLATE "C" NOT NULL DEFAULT 'none',
    reported_cost_usd numeric(20, 10),
    is_usage_summary boolean NOT NULL DEFAULT false,
    escalation_reason text,
    attributes jsonb NOT NULL DEFAULT '{{}}',
    PRIMARY KEY (organization_id, trace_id, span_id, started_at)
) PARTITION BY RANGE (started_at);
CREATE INDEX telemetry_span_newest ON telemetry_span (organization_id, started_at DESC);
"""

PAYLOAD = f"""
CREATE TABLE telemetry_payload (
    {KEY}
    input text,
    output text,
    events jsonb,
    PRIMARY KEY (organization_id, trace_id, span_id, started_at)
) PARTITION BY RANGE (started_at);
"""

ENSURE_DAY = """
CREATE FUNCTION telemetry_ensure_day(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    parent text;
    child text;
BEGIN
    IF day < current_date - 3660 OR day > current_date + 366 THEN
        RAISE EXCEPTION 'telemetry of % is out of range', day USING ERRCODE = 'datetime_field_overflow';
    END IF;
    FOREACH parent IN ARRAY ARRAY['telemetry_span', 'telemetry_payload'] LOOP
        child := parent || '_' || to_char(day, 'YYYYMMDD');
        IF to_regclass(child) IS NULL THEN
            PERFORM pg_advisory_xact_lock(hashtext('telemetry_ensure_day'));
            IF to_regclass(child) IS NULL THEN
                EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent);
                EXECUTE format(
                    'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                    parent, child, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC'
                );
            END IF;
        END IF;
    END LOOP;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("telemetry", "0001_initial")]

    operations = [
        migrations.RunSQL(SPAN, "DROP TABLE telemetry_span"),
        migrations.RunSQL(PAYLOAD, "DROP TABLE telemetry_payload"),
        migrations.RunSQL(ENSURE_DAY, "DROP FUNCTION telemetry_ensure_day(date)"),
    ]
