-- Report team_day: a row for each rep and day. Figures are those of the field trade:
--
--   planned      visits on the plan of that day that nobody called off
--   visited      visits begun that day
--   productive   visits with a submitted order that wasn't cancelled
--   strike_rate  productive / visited, in basis points
--
-- Each part goes through an index on its day; the parts are joined at the end. Beside the figures
-- stands how far they can be trusted: `complete_up_to` is the earliest moment up to which all work
-- of a device has been judged, over the rep's devices that were heard of lately. Work that is
-- parked lowers it to when that came; what was refused is counted, since it is missing.
--
-- ?1 from  ?2 to (days, inclusive)  ?3 login or NULL  ?4 team's name or NULL
-- ?5 a device that wasn't heard of since doesn't count
WITH RECURSIVE
day (d) AS MATERIALIZED (
  SELECT ?1 UNION ALL SELECT date(d, '+1 day') FROM day WHERE d < ?2
),
visited AS MATERIALIZED (
  SELECT v.person_id AS p, v.visit_day AS d, count(*) AS n,
         sum(EXISTS (SELECT 1 FROM sales_order o
                     WHERE o.visit_id = v.id AND o.submit_state = 'submitted'
                       AND o.cancelled_at IS NULL AND o._deleted_at IS NULL)) AS productive,
         min(v.checkin_at) AS first_at, max(v.checkin_at) AS last_at,
         sum(max(coalesce(v.checkout_at, v.checkin_at) - v.checkin_at, 0)) AS in_ms
  FROM visit v
  WHERE v.visit_day BETWEEN ?1 AND ?2 AND v._deleted_at IS NULL
  GROUP BY 1, 2
),
planned AS (
  SELECT person_id AS p, on_day AS d, count(*) AS n
  FROM visit_plan
  WHERE on_day BETWEEN ?1 AND ?2 AND state <> 'cancelled' AND _deleted_at IS NULL
  GROUP BY 1, 2
),
ordered AS (
  SELECT person_id AS p, order_day AS d, count(*) AS n, sum(total) AS value
  FROM sales_order
  WHERE order_day BETWEEN ?1 AND ?2 AND submit_state = 'submitted' AND cancelled_at IS NULL
    AND _deleted_at IS NULL
  GROUP BY 1, 2
),
paid AS (
  SELECT person_id AS p, paid_day AS d,
         sum(CASE WHEN reverses_id IS NULL THEN amount ELSE -abs(amount) END) AS value
  FROM payment
  WHERE paid_day BETWEEN ?1 AND ?2 AND _deleted_at IS NULL
  GROUP BY 1, 2
),
waiting AS (
  SELECT device, min(parked_at) AS first_at, count(*) AS n FROM parked GROUP BY 1
),
fresh AS (
  SELECT k.person AS p, min(min(k.complete_ms, coalesce(w.first_at, k.complete_ms))) AS at_ms,
         sum(coalesce(w.n, 0)) AS parked
  FROM device_key k LEFT JOIN waiting w ON w.device = k.number
  WHERE k.revoked_at IS NULL AND max(k.hello_ms, k.enrolled_at) >= ?5
  GROUP BY 1
),
rep AS MATERIALIZED ( -- reps, and whoever else was out that day or was asked for
  SELECT p.id, p.login, p.name
  FROM person p LEFT JOIN team t ON t.id = p.team_id
  WHERE p._deleted_at IS NULL AND (?3 IS NULL OR p.login = ?3) AND (?4 IS NULL OR t.name = ?4)
    AND (p.role = 'rep' AND p.active = 1 OR ?3 IS NOT NULL OR p.id IN (SELECT p FROM visited))
)
SELECT day.d AS day, rep.login, rep.name,
       coalesce(planned.n, 0) AS planned,
       coalesce(visited.n, 0) AS visited,
       coalesce(visited.productive, 0) AS productive,
       CASE WHEN visited.n > 0
            THEN (visited.productive * 20000 + visited.n) / (2 * visited.n) END AS strike_rate,
       coalesce(ordered.n, 0) AS orders,
       coalesce(ordered.value, 0) AS order_value,
       coalesce(paid.value, 0) AS collected,
       visited.first_at AS first_checkin_at,
       visited.last_at AS last_checkin_at,
       coalesce(visited.in_ms, 0) / 60000 AS outlet_min,
       nullif(fresh.at_ms, 0) AS complete_up_to,
       coalesce(fresh.parked, 0) AS parked,
       (SELECT count(*) FROM change_log c
        WHERE c.person = rep.id AND c.outcome = 3 -- OUTCOME_REFUSED
          AND c.effective_at >= CAST(strftime('%s', day.d, 'utc') AS INTEGER) * 1000
          AND c.effective_at < CAST(strftime('%s', day.d, '+1 day', 'utc') AS INTEGER) * 1000)
         AS refused
FROM day CROSS JOIN rep
LEFT JOIN planned ON planned.p = rep.id AND planned.d = day.d
LEFT JOIN visited ON visited.p = rep.id AND visited.d = day.d
LEFT JOIN ordered ON ordered.p = rep.id AND ordered.d = day.d
LEFT JOIN paid ON paid.p = rep.id AND paid.d = day.d
LEFT JOIN fresh ON fresh.p = rep.id
ORDER BY day.d, rep.login
