#include "report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace larder::bench {
namespace {

std::string time_text(double ns) {
  if (ns < 1000) return fmt::format("{:.0f} ns", ns);
  if (ns < 1e6) return fmt::format("{:.2f} us", ns / 1e3);
  return fmt::format("{:.2f} ms", ns / 1e6);
}

double rounded(double value) { return std::round(value * 1000) / 1000; }

}  // namespace

double percentile(std::vector<double>& samples, double part) {
  if (samples.empty()) return 0;
  std::ranges::sort(samples);
  const double place = part * static_cast<double>(samples.size() - 1);
  return samples[static_cast<std::size_t>(std::lround(place))];
}

std::string size_text(std::uint64_t bytes) {
  if (bytes >= (1 << 20) && bytes % (1 << 20) == 0) return fmt::format("{} MiB", bytes >> 20);
  if (bytes >= (1 << 10) && bytes % (1 << 10) == 0) return fmt::format("{} KiB", bytes >> 10);
  return fmt::format("{} B", bytes);
}

std::vector<double>& Group::samples(std::string_view op, const StoreKind& kind,
                                    std::string_view verified) {
  for (Series& series : series_) {
    if (series.op == op && series.kind == &kind) return series.samples;
  }
  const std::string_view label = verified.empty() ? kind.verified : verified;
  series_.push_back({std::string(op), &kind, std::string(label), {}});
  return series_.back().samples;
}

// The same operation of the baseline where it has it, else the get that stands in for it.
double Group::baseline_median(std::string_view op) {
  double get = 0;
  for (Series& series : series_) {
    if (series.kind->name != "baseline") continue;
    const double median = percentile(series.samples, 0.5);
    if (series.op == op) return median;
    if (series.op == "get") get = median;
  }
  return get;
}

void Report::show(Group& group) {
  std::vector<std::string> ops;
  for (const Series& series : group.series_) {
    if (std::ranges::find(ops, series.op) == ops.end()) ops.push_back(series.op);
  }
  std::ranges::stable_sort(group.series_, {}, &Series::kind);
  for (const std::string& op : ops) {
    const double baseline = group.baseline_median(op);
    for (Series& series : group.series_) {
      if (series.op == op && !series.samples.empty()) show_row(group, series, baseline);
    }
  }
  std::fflush(stdout);
}

void Report::show_row(const Group& group, Series& series, double baseline) {
  const double median = percentile(series.samples, 0.5);
  const double p10 = percentile(series.samples, 0.1);
  const double p90 = percentile(series.samples, 0.9);
  const double ratio = median > 0 ? baseline / median : 0;
  if (format_ == Format::json) {
    const nlohmann::ordered_json row = {
        {"suite", group.suite_},        {"op", series.op},
        {"size", group.size_bytes_},    {"entries", group.entries_},
        {"store", series.kind->name},   {"verified", series.verified},
        {"median_ns", rounded(median)}, {"p10_ns", rounded(p10)},
        {"p90_ns", rounded(p90)},       {"ratio_to_baseline", rounded(ratio)}};
    fmt::print("{}\n", row.dump());
    return;
  }
  static constexpr const char* columns =
      "{:<8}{:<16}{:>9}{:>9}  {:<9}{:>11}{:>11}{:>11}{:>9}  {}\n";
  if (!has_header_) {
    fmt::print(columns, "suite", "op", "size", "entries", "store", "median", "p10", "p90", "ratio",
               "verified");
    has_header_ = true;
  }
  fmt::print(columns, group.suite_, series.op, size_text(group.size_bytes_), group.entries_,
             series.kind->name, time_text(median), time_text(p10), time_text(p90),
             fmt::format("{:.2f}", ratio), series.verified);
}

void Report::note(std::string_view line) const {
  std::FILE* const stream = format_ == Format::text ? stdout : stderr;
  fmt::print(stream, "{}\n", line);
  std::fflush(stream);
}

}  // namespace larder::bench
