#include "larder/error.h"

namespace larder {

std::string_view errc_name(Errc code) noexcept {
  switch (code) {
    case Errc::invalid_argument: return "invalid_argument";
    case Errc::corrupt: return "corrupt";
    case Errc::not_ours: return "not_ours";
    case Errc::too_large: return "too_large";
    case Errc::no_space: return "no_space";
    case Errc::permission_denied: return "permission_denied";
    case Errc::read_only: return "read_only";
    case Errc::io_error: return "io_error";
    case Errc::unsafe_directory: return "unsafe_directory";
    case Errc::not_a_store: return "not_a_store";
    case Errc::wrong_kind: return "wrong_kind";
    case Errc::unsupported_version: return "unsupported_version";
    case Errc::no_home: return "no_home";
    case Errc::must_hit: return "must_hit";
    case Errc::not_durable: return "not_durable";
    case Errc::out_of_memory: return "out_of_memory";
    case Errc::compile_failed: return "compile_failed";
    case Errc::unsupported: return "unsupported";
    case Errc::timed_out: return "timed_out";
    case Errc::absent: return "absent";
    case Errc::exists: return "exists";
    case Errc::bad_config: return "bad_config";
    case Errc::unreachable: return "unreachable";
  }
  return "unknown";
}

}  // namespace larder
