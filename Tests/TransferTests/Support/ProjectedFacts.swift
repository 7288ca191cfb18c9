import Foundation
import Marketplace
import Postgres

/// What a workspace's history amounts to, one line for each fact: by the fold, and by the projections' views.
/// Absent values are written `-`.
enum ProjectedFacts {
  /// The facts by the fold.
  ///
  /// - Parameter shown: the target whose promotion moved last, by model: the one a catalog row speaks of.
  static func folded(_ state: WorkspaceState, shown: [ModelID: String]) -> [String] {
    // A workspace has a row once somebody connected or observed it.
    let isKnown = state.connection != nil || state.isDisconnected || state.lastObserved != nil
    var lines = isKnown ? [workspace(state)] : []
    for model in state.models.values {
      for version in model.versions.values { lines += facts(version, of: model, in: state) }
      for (alias, target) in model.aliases {
        lines.append(line("alias", model.id, alias, target.number, target.created))
      }
      for (target, there) in model.marketplace {
        guard let available = there.available else { continue }
        lines.append(line("available", model.id, target, there.name, available, there.sourceVersions[available]))
      }
      lines += catalog(model, in: state, shown: shown[model.id])
    }
    return lines.sorted()
  }

  private static func workspace(_ state: WorkspaceState) -> String {
    let reading =
      switch state.lastObserved?.outcome {
      case .complete?: "observed"
      case .unreadable?: "unreadable"
      case nil: "never observed"
      }
    return line(
      "workspace", state.isDisconnected ? "disconnected" : reading, state.connection?.registry,
      state.connection?.mlflowWorkspace, state.rule.aliases.joined(separator: ","),
      state.rule.stages.joined(separator: ","), state.lastComplete?.observedFrom, state.lastComplete?.observedTo,
      state.lastComplete?.models, state.lastComplete?.versions)
  }

  private static func facts(_ version: VersionState, of model: ModelState, in state: WorkspaceState) -> [String] {
    let current = state.current(of: model)
    let aliases = model.aliases
      .filter { $0.value == AliasTarget(number: version.number, created: version.created) }.keys.sorted().map(\.text)
    var lines = [
      line(
        "version", model.id, model.name, version.number, version.created,
        version.isDeleted ? "deleted" : version.stage, current == version ? "current" : "not current",
        aliases.joined(separator: ","), version.source, version.runID, version.modelID, version.registered,
        version.described?.description)
    ]
    if let export = version.export {
      lines.append(
        line(
          "export", model.id, version.number, version.created, export.data.generation, export.data.exportID,
          export.data.uri, export.data.manifestSHA256, export.data.bytes, export.sequence))
    }
    if let failure = version.exportFailure?.data {
      lines.append(
        line("export failed", model.id, version.number, version.created, failure.generation, text(failure)))
    }
    for (target, imported) in version.imports {
      if let live = imported.live {
        lines.append(
          line(
            "import", model.id, version.number, version.created, target, live.generation, live.exportID,
            live.marketplaceName, live.marketplaceVersion, live.marketplaceRunID))
      }
      if let failure = imported.failure?.data {
        lines.append(
          line(
            "import failed", model.id, version.number, version.created, target, failure.generation,
            failure.exportID, text(failure)))
      }
    }
    return lines
  }

  private static func text(_ failure: TransferFailed) -> String {
    "\(failure.code): \(failure.message) \(failure.retriable ? "retriable" : "permanent")"
  }

  private static func catalog(_ model: ModelState, in state: WorkspaceState, shown: String?) -> [String] {
    let current = state.current(of: model)
    let there = shown.flatMap { model.marketplace[$0] }
    guard current != nil || there?.available != nil else { return [] }
    // The row describes what can be loaded or, while nothing can, what the source means.
    let described =
      there?.available == nil
      ? current : model.versions.values.first { $0.imports[shown ?? ""]?.live?.marketplaceVersion == there?.available }
    return [
      line(
        "catalog", model.id, model.name, current?.number, current?.created,
        there?.available.flatMap { there?.sourceVersions[$0] }, there?.available, model.described?.description,
        described?.described?.description)
    ]
  }

  private static func line(_ kind: String, _ values: (any CustomStringConvertible)?...) -> String {
    ([kind] + values.map { $0.map { "\($0)" } ?? "-" }).joined(separator: "|")
  }

  /// The same lines by the views of schema `marketplace`, with the digest of all that the tables hold.
  ///
  /// A version that another one was created under the number of is not the fold's business any more: the function
  /// leaves it out where it is deleted and not current, as it has to be.
  static let sql = #"""
    CREATE SCHEMA testing;
    CREATE FUNCTION testing.ms(_time timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT round(extract(epoch FROM _time) * 1000)::bigint $$;

    CREATE FUNCTION testing.line(VARIADIC _values text[]) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT array_to_string(_values, '|', '-') $$;

    -- Compiling this query takes a hundred times as long as running it.
    CREATE FUNCTION testing.facts(_workspace text) RETURNS SETOF text LANGUAGE sql STABLE SET jit = off AS $$
      WITH known AS (
        SELECT DISTINCT ON (v.model, v.version) v.model, v.version, marketplace_projection.time_of(v.created) AS created
        FROM marketplace_projection.model_version v WHERE v.workspace = _workspace
        ORDER BY v.model, v.version, v.from_sequence DESC)
      SELECT testing.line('workspace', w.state, w.registry, w.mlflow_workspace,
        coalesce(array_to_string(w.promoted_aliases, ','), ''), coalesce(array_to_string(w.promoted_stages, ','), ''),
        testing.ms(w.observed_from)::text, testing.ms(w.observed_to)::text, w.models::text, w.versions::text)
      FROM marketplace.workspaces w WHERE w.workspace = _workspace
      UNION ALL
      SELECT testing.line('version', v.model::text, v.name, v.version::text, testing.ms(v.created)::text,
        CASE WHEN v.deleted THEN 'deleted' ELSE v.stage END, CASE WHEN v.current THEN 'current' ELSE 'not current' END,
        array_to_string(v.aliases, ','), v.source, v.run_id, v.model_id, v.registered_sequence::text, v.description)
      FROM marketplace.model_versions v
      WHERE v.workspace = _workspace
        AND ((v.model, v.version, v.created) IN (SELECT k.model, k.version, k.created FROM known k)
          OR NOT v.deleted OR v.current)
      UNION ALL
      SELECT testing.line('alias', a.model::text, a.alias, a.version::text, a.created::text)
      FROM marketplace_projection.model_alias a WHERE a.workspace = _workspace AND a.version IS NOT NULL
      UNION ALL
      SELECT testing.line('available', p.model::text, p.target, p.marketplace_name, p.marketplace_version::text,
        p.version::text)
      FROM marketplace_projection.promotion p WHERE p.workspace = _workspace AND p.marketplace_version IS NOT NULL
      UNION ALL
      SELECT testing.line('catalog', c.model::text, c.name, c.source_version::text, testing.ms(c.source_created)::text,
        c.available_version::text, c.marketplace_version::text, c.description, c.version_description)
      FROM marketplace.catalog c WHERE c.workspace = _workspace
      UNION ALL
      SELECT CASE e.state
          WHEN 'live' THEN testing.line('export', e.model::text, e.version::text, testing.ms(e.created)::text,
            e.generation::text, e.export_id::text, e.uri, e.manifest_sha256, e.bytes::text, e.sequence::text)
          ELSE testing.line('export failed', e.model::text, e.version::text, testing.ms(e.created)::text,
            e.generation::text, e.reason || CASE WHEN e.retriable THEN ' retriable' ELSE ' permanent' END) END
      FROM marketplace.export_summary e JOIN known USING (model, version, created)
      WHERE e.workspace = _workspace AND e.state <> 'invalidated'
      UNION ALL
      SELECT CASE i.state
          WHEN 'live' THEN testing.line('import', i.model::text, i.version::text, testing.ms(i.created)::text, i.target,
            i.generation::text, i.export_id::text, i.marketplace_name, i.marketplace_version::text,
            i.marketplace_run_id)
          ELSE testing.line('import failed', i.model::text, i.version::text, testing.ms(i.created)::text, i.target,
            i.generation::text, i.export_id::text,
            i.reason || CASE WHEN i.retriable THEN ' retriable' ELSE ' permanent' END) END
      FROM marketplace.import_summary i JOIN known USING (model, version, created)
      WHERE i.workspace = _workspace AND i.state <> 'lost'
    $$;

    CREATE FUNCTION testing.digest(_workspace text) RETURNS text LANGUAGE plpgsql STABLE AS $$
    DECLARE
      _table text;
      _digest text;
      _digests text := '';
    BEGIN
      FOR _table IN
        SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = 'marketplace_projection'::regnamespace AND c.relkind = 'r' ORDER BY 1
      LOOP
        EXECUTE format(
          'SELECT md5(string_agg(t::text, E''\n'' ORDER BY t::text COLLATE "C"))
           FROM marketplace_projection.%I t WHERE workspace = $1', _table) INTO _digest USING _workspace;
        _digests := _digests || _table || ' ' || coalesce(_digest, 'empty') || E'\n';
      END LOOP;
      RETURN _digests;
    END $$;
    """#
}
