#include "face/c_support.h"

#include <algorithm>
#include <cstdlib>

namespace larder {

void report(larder_error* to, larder_code code, int os_error, std::string_view message) noexcept {
  if (to == nullptr) return;
  to->code = code;
  to->os_error = os_error;
  const std::size_t length = std::min(message.size(), sizeof to->message - 1);
  message.copy(to->message, length);
  to->message[length] = '\0';
}

void* copy_for_c(std::span<const std::byte> bytes) {
  // One byte more, so that an empty artifact is not a null pointer.
  void* memory = std::malloc(bytes.size() + 1);
  if (memory == nullptr) throw std::bad_alloc();
  if (!bytes.empty()) std::memcpy(memory, bytes.data(), bytes.size());
  return memory;
}

namespace {

constexpr bool same(larder_code code, Errc errc) { return code == static_cast<int>(errc); }

static_assert(same(LARDER_INVALID_ARGUMENT, Errc::invalid_argument));
static_assert(same(LARDER_CORRUPT, Errc::corrupt));
static_assert(same(LARDER_NOT_OURS, Errc::not_ours));
static_assert(same(LARDER_TOO_LARGE, Errc::too_large));
static_assert(same(LARDER_NO_SPACE, Errc::no_space));
static_assert(same(LARDER_PERMISSION_DENIED, Errc::permission_denied));
static_assert(same(LARDER_READ_ONLY, Errc::read_only));
static_assert(same(LARDER_IO_ERROR, Errc::io_error));
static_assert(same(LARDER_UNSAFE_DIRECTORY, Errc::unsafe_directory));
static_assert(same(LARDER_NOT_A_STORE, Errc::not_a_store));
static_assert(same(LARDER_WRONG_KIND, Errc::wrong_kind));
static_assert(same(LARDER_UNSUPPORTED_VERSION, Errc::unsupported_version));
static_assert(same(LARDER_NO_HOME, Errc::no_home));
static_assert(same(LARDER_MUST_HIT, Errc::must_hit));
static_assert(same(LARDER_NOT_DURABLE, Errc::not_durable));
static_assert(same(LARDER_OUT_OF_MEMORY, Errc::out_of_memory));
static_assert(same(LARDER_COMPILE_FAILED, Errc::compile_failed));
static_assert(same(LARDER_UNSUPPORTED, Errc::unsupported));
static_assert(same(LARDER_TIMED_OUT, Errc::timed_out));
static_assert(same(LARDER_ABSENT, Errc::absent));
static_assert(same(LARDER_EXISTS, Errc::exists));
static_assert(same(LARDER_BAD_CONFIG, Errc::bad_config));

}  // namespace
}  // namespace larder

extern "C" {

const char* larder_code_name(larder_code code) noexcept {
  if (code == LARDER_OK) return "ok";
  if (code == LARDER_MISS) return "miss";
  return larder::errc_name(static_cast<larder::Errc>(code)).data();  // literals end with a zero
}

const char* larder_version() noexcept { return LARDER_VERSION; }

void larder_free(void* memory) noexcept { std::free(memory); }

larder_code larder_fingerprint_from_hex(const char* hex, larder_fingerprint* fingerprint,
                                        larder_error* error) noexcept {
  return larder::guarded(error, [&]() -> larder::Result<larder_code> {
    if (hex == nullptr) return larder::null_argument("hex");
    if (fingerprint == nullptr) return larder::null_argument("fingerprint");
    const auto parsed = larder::Fingerprint::from_hex(hex);
    if (!parsed) {
      return std::unexpected(
          larder::Error{.code = larder::Errc::invalid_argument,
                        .message = "not a fingerprint; write exactly 64 lower-case hex digits"});
    }
    larder::to_c(*parsed, *fingerprint);
    return LARDER_OK;
  });
}

larder_code larder_fingerprint_to_hex(const larder_fingerprint* fingerprint, char hex[65],
                                      larder_error* error) noexcept {
  return larder::guarded(error, [&]() -> larder::Result<larder_code> {
    if (fingerprint == nullptr) return larder::null_argument("fingerprint");
    if (hex == nullptr) return larder::null_argument("hex");
    const std::string text = larder::from_c(*fingerprint).hex();
    std::memcpy(hex, text.c_str(), text.size() + 1);
    return LARDER_OK;
  });
}

}  // extern "C"
