// Rows: what is shown of each measurement, as text for people or as one JSON object a line.
#ifndef LARDER_BENCH_REPORT_H_
#define LARDER_BENCH_REPORT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store.h"

namespace larder::bench {

enum class Format { text, json };

// Samples of one operation of one store; each is the time of one operation in ns.
struct Series {
  std::string op;
  const StoreKind* kind = nullptr;
  std::string verified;
  std::vector<double> samples;
};

double percentile(std::vector<double>& samples, double part);  // sorts; 0 when there are none

// Figures of one suite with payloads of one size and one number of entries. What is measured here
// was measured interleaved, so ratios mean something.
class Group {
 public:
  Group(std::string suite, std::uint64_t size_bytes, std::uint64_t entries)
      : suite_(std::move(suite)), size_bytes_(size_bytes), entries_(entries) {}

  // The samples of that store's operation, made empty at the first call. `verified` overrides what
  // the kind says.
  std::vector<double>& samples(std::string_view op, const StoreKind& kind,
                               std::string_view verified = {});

 private:
  friend class Report;

  double baseline_median(std::string_view op);

  std::string suite_;
  std::uint64_t size_bytes_;
  std::uint64_t entries_;
  std::vector<Series> series_;
};

// To standard output; in JSON nothing but rows, and what else is to be said to standard error.
class Report {
 public:
  explicit Report(Format format) : format_(format) {}

  void show(Group& group);
  void note(std::string_view line) const;

 private:
  void show_row(const Group& group, Series& series, double baseline);

  Format format_;
  bool has_header_ = false;
};

std::string size_text(std::uint64_t bytes);  // "4 KiB"

}  // namespace larder::bench

#endif  // LARDER_BENCH_REPORT_H_
