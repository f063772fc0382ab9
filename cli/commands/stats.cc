// stats and zero-stats. The counters are those kept with the store, of every process that used it.
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "commands/commands.h"
#include "commands/stats_remote.h"
#include "document.h"
#include "text.h"

namespace larder::cli {
namespace {

struct Figures {
  std::string store;
  std::string layout;
  Metrics counters;
  std::uint64_t entries = 0;
  std::uint64_t disk_bytes = 0;
  std::optional<std::uint64_t> max_size_bytes;
  std::vector<TierFigures> tiers;
};

std::string layout_of(std::string_view store) {
  if (store.starts_with("pack:")) return "pack";
  return store.starts_with("vyre:") ? "vyre" : "larder";
}

Result<Figures> gather(const Context& context, Store& store) {
  auto counters = store.statistics();
  if (!counters) return std::unexpected(std::move(counters).error());
  Figures figures;
  figures.store = store.describe();
  figures.layout = layout_of(figures.store);
  figures.counters = *counters;
  figures.max_size_bytes = context.config.max_size_bytes;
  figures.tiers = gather_tiers(context);
  // Counts anew: the usage that writers keep may have drifted.
  auto held = store.prune({}, DryRun::yes);
  if (!held) return std::unexpected(std::move(held).error());
  figures.counters.entries = figures.entries = held->kept_entries;
  figures.counters.bytes = figures.disk_bytes = held->kept_bytes;
  return figures;
}

std::string budget_text(const Figures& figures) {
  const std::string held = human_bytes(figures.disk_bytes);
  if (!figures.max_size_bytes) return held + ", no limit";
  const double percent = 100.0 * static_cast<double>(figures.disk_bytes) /
                         static_cast<double>(*figures.max_size_bytes);
  return fmt::format("{} / {} ({:.2f}%)", held, human_bytes(*figures.max_size_bytes), percent);
}

std::string hit_rate(const Metrics& counters) {
  if (counters.lookups == 0) return "none asked";
  return fmt::format("{:.2f}%", static_cast<double>(counters.hit_rate_ppm()) / 10'000);
}

// A row only for what has happened: most stores never refuse anything.
void add_if_any(std::vector<Row>& rows, const char* name, std::uint64_t count) {
  if (count != 0) rows.emplace_back(name, std::to_string(count));
}

void add_lookups(std::vector<Row>& rows, const Metrics& m) {
  rows.emplace_back("Look-ups", std::to_string(m.lookups));
  rows.emplace_back("  Hits", ratio(m.hits, m.lookups));
  rows.emplace_back("  Misses", ratio(m.lookups - std::min(m.hits, m.lookups), m.lookups));
  rows.emplace_back("    Absent", std::to_string(m.absent));
  rows.emplace_back("    Corrupt", std::to_string(m.corrupt));
  rows.emplace_back("    I/O errors", std::to_string(m.io_errors));
  rows.emplace_back("    Skipped", std::to_string(m.skipped));
  rows.emplace_back("  Hit rate", hit_rate(m));
  rows.emplace_back("  Served", human_bytes(m.hit_bytes));
}

void add_puts(std::vector<Row>& rows, const Metrics& m) {
  rows.emplace_back("Puts", fmt::format("{} ({})", m.puts, human_bytes(m.put_bytes)));
  rows.emplace_back("  Unchanged", std::to_string(m.puts_unchanged));
  rows.emplace_back("  Rejected",
                    std::to_string(m.rejected_too_large + m.rejected_no_space +
                                   m.rejected_not_ours + m.rejected_read_only + m.rejected_io));
  add_if_any(rows, "    Too large", m.rejected_too_large);
  add_if_any(rows, "    No space", m.rejected_no_space);
  add_if_any(rows, "    Not ours", m.rejected_not_ours);
  add_if_any(rows, "    Read-only", m.rejected_read_only);
  add_if_any(rows, "    I/O errors", m.rejected_io);
}

void print_text(const Figures& figures) {
  const Metrics& m = figures.counters;
  std::vector<Row> rows = {{"Store", figures.store},
                           {"Layout", figures.layout},
                           {"Size", budget_text(figures)},
                           {"Entries", std::to_string(figures.entries)}};
  add_lookups(rows, m);
  add_puts(rows, m);
  rows.emplace_back("Compiles", std::to_string(m.compiles));
  add_if_any(rows, "  Failed", m.compile_failures);
  add_if_any(rows, "  Waited for another", m.compile_waits);
  rows.emplace_back("Removals", std::to_string(m.removals));
  rows.emplace_back("Evictions", fmt::format("{} ({})", m.evictions, human_bytes(m.evicted_bytes)));
  rows.emplace_back("Flushes", std::to_string(m.flushes));
  add_if_any(rows, "  Failed", m.flush_errors);
  for (const TierFigures& tier : figures.tiers) add_tier(rows, tier);
  print_rows(rows);
}

void print_json(const Figures& figures) {
  Document document = Document::object();
  document.set("store", figures.store).set("layout", figures.layout);
  if (figures.max_size_bytes) {
    document.set("max_size_bytes", *figures.max_size_bytes);
  } else {
    document.set_null("max_size_bytes");
  }
  document.set("hit_rate_ppm", figures.counters.hit_rate_ppm());
  for (const MetricField& field : metric_fields()) {
    document.set(field.name, figures.counters.*field.member);
  }
  document.set("remotes", to_document(figures.tiers)).print();
}

// One family of the text format: https://prometheus.io/docs/instrumenting/exposition_formats/
struct Sample {
  const char* labels;
  std::uint64_t value;
};

void print_family(const char* name, const char* kind, const char* help,
                  const std::vector<Sample>& samples) {
  fmt::print("# HELP larder_{} {}\n# TYPE larder_{} {}\n", name, help, name, kind);
  for (const Sample& sample : samples) {
    fmt::print("larder_{}{} {}\n", name, sample.labels, sample.value);
  }
}

void print_counter(const char* name, const char* help, std::uint64_t value) {
  print_family(name, "counter", help, {{"", value}});
}

void print_labelled(const Metrics& m) {
  print_family("lookups_total", "counter", "Look-ups by result.",
               {{R"({result="hit"})", m.hits},
                {R"({result="absent"})", m.absent},
                {R"({result="corrupt"})", m.corrupt},
                {R"({result="io_error"})", m.io_errors},
                {R"({result="skipped"})", m.skipped}});
  print_family("rejected_puts_total", "counter", "Refused puts by reason.",
               {{R"({reason="too_large"})", m.rejected_too_large},
                {R"({reason="no_space"})", m.rejected_no_space},
                {R"({reason="not_ours"})", m.rejected_not_ours},
                {R"({reason="read_only"})", m.rejected_read_only},
                {R"({reason="io"})", m.rejected_io}});
}

void print_prometheus(const Figures& figures) {
  const Metrics& m = figures.counters;
  print_labelled(m);
  print_counter("hit_bytes_total", "Bytes served from the store.", m.hit_bytes);
  print_counter("puts_total", "Entries written.", m.puts);
  print_counter("puts_unchanged_total", "Puts of what was there already.", m.puts_unchanged);
  print_counter("put_bytes_total", "Payload bytes written.", m.put_bytes);
  print_counter("removals_total", "Entries removed.", m.removals);
  print_counter("evictions_total", "Entries evicted.", m.evictions);
  print_counter("evicted_bytes_total", "Bytes evicted.", m.evicted_bytes);
  print_counter("flushes_total", "Flushes.", m.flushes);
  print_counter("flush_errors_total", "Flushes that failed.", m.flush_errors);
  print_counter("compiles_total", "Runs of the caller's compiler.", m.compiles);
  print_counter("compile_failures_total", "Compiles that failed.", m.compile_failures);
  print_counter("compile_waits_total", "Callers served by another's compile.", m.compile_waits);
  print_counter("promotions_total", "Hits copied into a faster tier.", m.promotions);
  print_family("size_bytes", "gauge", "Bytes on disk.", {{"", figures.disk_bytes}});
  print_family("entries", "gauge", "Entries in the store.", {{"", figures.entries}});
  if (figures.max_size_bytes) {
    print_family("size_limit_bytes", "gauge", "The configured size limit.",
                 {{"", *figures.max_size_bytes}});
  }
  print_tier_families(figures.tiers);
}

}  // namespace

int run_stats(const Context& context) {
  Warnings warnings;
  auto store = open_for_reading(listening(context, warnings));
  if (!store) return fail(store.error());
  const auto figures = gather(context, **store);
  if (!figures) return fail(figures.error());
  switch (context.options.format) {
    case Format::text: print_text(*figures); break;
    case Format::json: print_json(*figures); break;
    case Format::prometheus: print_prometheus(*figures); break;
  }
  warnings.tell();
  return exit_ok;
}

int run_zero_stats(const Context& context) {
  if (const auto code = refuse_change(context)) return *code;
  auto store = open_for_writing(context);
  if (!store) return fail(store.error());
  reset_tiers(context);
  const auto reset = (*store)->reset_statistics();
  return reset ? exit_ok : fail_in_store(context, reset.error());
}

}  // namespace larder::cli
