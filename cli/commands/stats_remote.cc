#include "commands/stats_remote.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "remote.h"

namespace larder::cli {
namespace {

std::string_view without_slash(std::string_view url) {
  return url.substr(0, url.find_last_not_of('/') + 1);
}

// What they counted is kept in one place.
bool is_same_tier(const RemoteStoreOptions& a, const RemoteStoreOptions& b) {
  return without_slash(a.url) == without_slash(b.url) && a.name_space == b.name_space &&
         a.attributes == b.attributes &&
         std::ranges::equal(a.shards, b.shards, {}, &RemoteShard::host, &RemoteShard::host);
}

// Each once, though the settings name it twice.
void for_each_tier(const Context& context,
                   const std::function<void(RemoteStore&, const RemoteStoreOptions&)>& call) {
  const std::vector<RemoteSetting>& all = context.config.remotes;
  for (auto setting = all.begin(); setting != all.end(); ++setting) {
    const bool is_repeated = std::any_of(all.begin(), setting, [&](const RemoteSetting& earlier) {
      return is_same_tier(earlier.store, setting->store);
    });
    if (is_repeated) continue;
    RemoteStoreOptions options = setting->store;
    options.state_directory = state_directory(context);
    auto store = open_remote_store(options);
    if (!store) {
      warn(store.error().message);
      continue;
    }
    call(**store, options);
  }
}

// As the text format wants a label's value.
std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '"' || c == '\\') safe.push_back('\\');
    safe.push_back(c);
  }
  return safe;
}

std::string labels_of(const TierFigures& figures) {
  std::string labels = fmt::format("tier=\"{}\"", escaped(figures.tier));
  if (!figures.name_space.empty()) {
    labels += fmt::format(",namespace=\"{}\"", escaped(figures.name_space));
  }
  return labels;
}

// By their labels, each in one sample: tiers that differ in what is not shown, the user say, are
// counted together.
std::map<std::string, RemoteMetrics> samples_of(const std::vector<TierFigures>& tiers) {
  std::map<std::string, RemoteMetrics> samples;
  for (const TierFigures& figures : tiers) samples[labels_of(figures)] += figures.counters;
  return samples;
}

}  // namespace

std::vector<TierFigures> gather_tiers(const Context& context) {
  std::vector<TierFigures> tiers;
  for_each_tier(context, [&](RemoteStore& store, const RemoteStoreOptions& options) {
    tiers.push_back({.tier = store.describe(),
                     .name_space = options.name_space,
                     .counters = store.kept_metrics()});
  });
  return tiers;
}

void reset_tiers(const Context& context) {
  for_each_tier(context, [](RemoteStore& store, const RemoteStoreOptions&) {
    (void)store.reset_statistics();
  });
}

void add_tier(std::vector<Row>& rows, const TierFigures& figures) {
  const RemoteMetrics& m = figures.counters;
  rows.emplace_back("Remote", figures.tier);
  rows.emplace_back("  Look-ups", std::to_string(m.lookups));
  rows.emplace_back("    Hits", ratio(m.hits, m.lookups));
  rows.emplace_back("    Absent", std::to_string(m.absent));
  if (m.other_key != 0) rows.emplace_back("      Of another key", std::to_string(m.other_key));
  rows.emplace_back("    Corrupt", std::to_string(m.corrupt));
  rows.emplace_back("    Errors", std::to_string(m.errors));
  rows.emplace_back("    Timeouts", std::to_string(m.timeouts));
  rows.emplace_back("    Skipped", std::to_string(m.skipped));
  rows.emplace_back("  Uploads", std::to_string(m.uploads));
  rows.emplace_back("    Unchanged", std::to_string(m.uploads_unchanged));
  rows.emplace_back("    Failed", std::to_string(m.upload_failures));
  rows.emplace_back("    Skipped", std::to_string(m.uploads_skipped));
  rows.emplace_back("  Fetched", human_bytes(m.bytes_in));
  rows.emplace_back("  Sent", human_bytes(m.bytes_out));
}

Document to_document(const std::vector<TierFigures>& tiers) {
  Document list = Document::list();
  for (const TierFigures& figures : tiers) {
    Document tier = Document::object();
    tier.set("tier", figures.tier);
    for (const RemoteMetricField& field : remote_metric_fields()) {
      tier.set(field.name, figures.counters.*field.member);
    }
    list.append(tier);
  }
  return list;
}

void print_tier_families(const std::vector<TierFigures>& tiers) {
  const auto samples = samples_of(tiers);
  if (samples.empty()) return;
  for (const RemoteMetricField& field : remote_metric_fields()) {
    fmt::print("# HELP larder_remote_{0}_total Of a remote tier: {0}.\n", field.name);
    fmt::print("# TYPE larder_remote_{}_total counter\n", field.name);
    for (const auto& [labels, counters] : samples) {
      fmt::print("larder_remote_{}_total{{{}}} {}\n", field.name, labels, counters.*field.member);
    }
  }
}

}  // namespace larder::cli
