// What there is to say about each kind of operation.
#include <array>
#include <cerrno>

#include "larder/testing/fault_file_system.h"

namespace larder::testing {
namespace {

constexpr std::array<std::string_view, op_count> op_names = {"file_info",
                                                             "read_at",
                                                             "write_at",
                                                             "reserve",
                                                             "trim",
                                                             "allocate",
                                                             "map",
                                                             "check",
                                                             "start_writeback",
                                                             "sync_data",
                                                             "touch",
                                                             "try_lock",
                                                             "unlock",
                                                             "is_locked",
                                                             "close",
                                                             "directory_info",
                                                             "info_at",
                                                             "space",
                                                             "file_system_type",
                                                             "open_file",
                                                             "open_or_create_file",
                                                             "create_anonymous",
                                                             "create_file",
                                                             "link",
                                                             "rename_over",
                                                             "rename_no_replace",
                                                             "remove_file",
                                                             "open_subdirectory",
                                                             "make_directory",
                                                             "list",
                                                             "sync_directory",
                                                             "open_directory",
                                                             "resolve",
                                                             "read_file",
                                                             "random_name"};

constexpr int of_looks[] = {EIO, ESTALE, ENOMEM, EOVERFLOW};
constexpr int of_info_at[] = {EIO, EACCES, ENOMEM, ESTALE};
constexpr int of_space[] = {EIO, ENOMEM, ESTALE, ENOSYS, EOVERFLOW};
constexpr int of_reads[] = {EIO, ENOMEM, ESTALE, ETIMEDOUT};
constexpr int of_writes[] = {EIO, ENOSPC, ENOMEM, EROFS, EPERM, EDQUOT, EFBIG, ESTALE};
constexpr int of_reserve[] = {EIO, ENOSPC, EOPNOTSUPP, EPERM, EDQUOT, EFBIG, ENOSYS};
constexpr int of_trim[] = {EIO, ENOSPC, EROFS, EPERM, EDQUOT};
constexpr int of_allocate[] = {EIO, ENOSPC, ENOMEM, EPERM, EDQUOT, EFBIG};
constexpr int of_map[] = {EIO, ENOMEM, EOPNOTSUPP, EACCES, EAGAIN, ENFILE};
constexpr int of_check[] = {EIO, ENOMEM, EFAULT};
constexpr int of_writeback[] = {EIO, ENOSPC, ENOMEM, ENOSYS, EDQUOT};
constexpr int of_syncs[] = {EIO, ENOSPC, EROFS, EDQUOT, EINTR, ETIMEDOUT};
constexpr int of_touch[] = {EIO, EACCES, EROFS, EPERM, ESTALE};
constexpr int of_locks[] = {EIO, ENOLCK, EINTR, ESTALE};
constexpr int of_close[] = {EIO, ENOSPC, EDQUOT};
constexpr int of_opens[] = {EIO, EACCES, ENOMEM, ESTALE, EROFS, EMFILE, ENFILE, EPERM, EAGAIN};
constexpr int of_folders[] = {EIO, EACCES, ENOMEM, ESTALE, EMFILE, ENFILE};
constexpr int of_creations[] = {EIO,    EACCES, ENOMEM, ENOSPC, EROFS,
                                ESTALE, EMFILE, ENFILE, EPERM,  EDQUOT};
constexpr int of_anonymous[] = {EIO,    EACCES, ENOMEM, ENOSPC, EROFS, EOPNOTSUPP,
                                ESTALE, EMFILE, ENFILE, EPERM,  EDQUOT};
constexpr int of_link[] = {EIO, EACCES, ENOMEM, ENOSPC, EROFS, ESTALE, EMLINK, EPERM, EDQUOT};
constexpr int of_rename[] = {EIO, EACCES, ENOMEM, ENOSPC, EROFS, ESTALE, EBUSY, EPERM, EDQUOT};
constexpr int of_rename_no_replace[] = {EIO,    EACCES, ENOMEM, ENOSPC, EROFS, EOPNOTSUPP,
                                        ESTALE, EBUSY,  EPERM,  EDQUOT, ENOSYS};
constexpr int of_remove[] = {EIO, EACCES, ENOMEM, EROFS, ESTALE, EBUSY, EPERM};
constexpr int of_make_directory[] = {EIO,    EACCES, ENOMEM, ENOSPC, EROFS,
                                     ESTALE, EMLINK, EPERM,  EDQUOT, EMFILE};
constexpr int of_list[] = {EIO, EACCES, ENOMEM, ESTALE, EMFILE, ENFILE};
constexpr int of_resolve[] = {EIO, EACCES, ENOMEM};
constexpr int of_read_file[] = {EIO, EACCES, ENOMEM, ESTALE, EMFILE, ENFILE};
constexpr int of_random[] = {EIO, ENOSYS};

}  // namespace

std::string_view op_name(Op op) noexcept { return op_names.at(static_cast<std::size_t>(op)); }

std::span<const int> possible_errors(Op op) noexcept {
  switch (op) {
    case Op::file_info:
    case Op::directory_info: return of_looks;
    case Op::info_at: return of_info_at;
    case Op::space:
    case Op::file_system_type: return of_space;
    case Op::read_at: return of_reads;
    case Op::write_at: return of_writes;
    case Op::reserve: return of_reserve;
    case Op::trim: return of_trim;
    case Op::allocate: return of_allocate;
    case Op::map: return of_map;
    case Op::check: return of_check;
    case Op::start_writeback: return of_writeback;
    case Op::sync_data:
    case Op::sync_directory: return of_syncs;
    case Op::touch: return of_touch;
    case Op::try_lock:
    case Op::unlock:
    case Op::is_locked: return of_locks;
    case Op::close: return of_close;
    case Op::open_file: return of_opens;
    case Op::open_subdirectory:
    case Op::open_directory: return of_folders;
    case Op::open_or_create_file:
    case Op::create_file: return of_creations;
    case Op::create_anonymous: return of_anonymous;
    case Op::link: return of_link;
    case Op::rename_over: return of_rename;
    case Op::rename_no_replace: return of_rename_no_replace;
    case Op::remove_file: return of_remove;
    case Op::make_directory: return of_make_directory;
    case Op::list: return of_list;
    case Op::resolve: return of_resolve;
    case Op::read_file: return of_read_file;
    case Op::random_name: return of_random;
  }
  return {};
}

Errc code_of(int os_error) noexcept {
  switch (os_error) {
    case ENOENT: return Errc::absent;
    case EEXIST: return Errc::exists;
    case ENOSPC:
    case EDQUOT: return Errc::no_space;
    case EACCES:
    case EPERM: return Errc::permission_denied;
    case EROFS: return Errc::read_only;
    case ELOOP:
    case ENOTDIR:
    case EISDIR:
    case ENXIO:
    case EXDEV: return Errc::not_ours;
    case EOPNOTSUPP:
    case ENOSYS: return Errc::unsupported;
    case ENOMEM: return Errc::out_of_memory;
    default: return Errc::io_error;
  }
}

}  // namespace larder::testing
