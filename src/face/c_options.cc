#include "face/c_options.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>

#include "base/try.h"

namespace larder {
namespace {

std::unexpected<Error> invalid(std::string message) {
  return std::unexpected(Error{.code = Errc::invalid_argument, .message = std::move(message)});
}

Result<larder_options> own_copy(const larder_options& options) {
  constexpr std::size_t smallest = offsetof(larder_options, location);
  larder_options copy{};
  if (options.struct_size < smallest) {
    return invalid("larder_options.struct_size is not set; set it to sizeof(larder_options)");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(&options);
  for (std::size_t i = sizeof copy; i < options.struct_size; ++i) {
    if (bytes[i] != 0) {
      return invalid(
          "larder_options has a member that this version of Larder does not know; "
          "leave it zero, or link a newer Larder");
    }
  }
  std::memcpy(&copy, bytes, std::min(options.struct_size, sizeof copy));
  return copy;
}

Result<std::optional<Mode>> mode_from_c(std::uint32_t mode) {
  switch (mode) {
    case LARDER_MODE_CONFIGURED: return std::nullopt;
    case LARDER_MODE_READ_WRITE: return Mode::read_write;
    case LARDER_MODE_READ_ONLY: return Mode::read_only;
    case LARDER_MODE_MUST_HIT: return Mode::must_hit;
    case LARDER_MODE_REFRESH: return Mode::refresh;
    case LARDER_MODE_DISABLED: return Mode::disabled;
    default:
      return invalid("larder_options.mode is " + std::to_string(mode) +
                     "; use one of the LARDER_MODE_ constants");
  }
}

Logger logger_from_c(const larder_options& options) {
  if (options.log == nullptr) return {};
  return [log = options.log, context = options.log_context](LogLevel level, std::string_view line) {
    log(context, static_cast<int>(level), std::string(line).c_str());
  };
}

static_assert(static_cast<int>(LogLevel::debug) == LARDER_LOG_DEBUG);
static_assert(static_cast<int>(LogLevel::info) == LARDER_LOG_INFO);
static_assert(static_cast<int>(LogLevel::warning) == LARDER_LOG_WARNING);

}  // namespace

Result<OpenOptions> options_from_c(const larder_options* options) {
  OpenOptions converted;
  if (options == nullptr) return converted;
  LARDER_TRY(const larder_options given, own_copy(*options));
  LARDER_TRY(converted.mode, mode_from_c(given.mode));
  if (given.location != nullptr) converted.location = given.location;
  if (given.key_file != nullptr) converted.key_file = given.key_file;
  if (given.max_size_bytes != 0) converted.max_size_bytes = given.max_size_bytes;
  if (given.memory_bytes != 0) converted.memory_bytes = given.memory_bytes;
  if (given.memory_bytes == std::numeric_limits<std::uint64_t>::max()) converted.memory_bytes = 0;
  if (given.wait_limit_ms != 0) {
    converted.cache.wait_limit =
        std::chrono::milliseconds(std::max<std::int64_t>(given.wait_limit_ms, 0));
  }
  converted.cache.log = logger_from_c(given);
  return converted;
}

Result<larder_code> metrics_to_c(const Metrics& metrics, larder_metrics& to) {
  constexpr std::size_t first = offsetof(larder_metrics, lookups);
  static_assert(sizeof(larder_metrics) == first + metric_field_count * sizeof(std::uint64_t),
                "larder_metrics has every field of Metrics, in the same order");
  if (to.struct_size < first) {
    return invalid("larder_metrics.struct_size is not set; set it to sizeof(larder_metrics)");
  }
  auto* bytes = reinterpret_cast<unsigned char*>(&to);
  const std::size_t end = std::min(to.struct_size, sizeof to);
  std::size_t at = first;
  for (const MetricField& field : metric_fields()) {
    if (at + sizeof(std::uint64_t) > end) break;
    std::memcpy(bytes + at, &(metrics.*field.member), sizeof(std::uint64_t));
    at += sizeof(std::uint64_t);
  }
  return LARDER_OK;
}

}  // namespace larder
