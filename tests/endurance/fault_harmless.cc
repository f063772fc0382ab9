#include "tests/endurance/fault_harmless.h"

#include <cerrno>

namespace larder {
namespace {

using testing::Op;

const std::vector<Harmless> of_files = {
    {Op::start_writeback, 0, "", "", "a hint; what fails here fails again in the sync"},
    {Op::unlock, 0, "", "", "the kernel drops the lock with the descriptor"},
    {Op::touch, 0, "", "", "the time of last use is a hint; the entry leaves earlier"},
    {Op::reserve, EOPNOTSUPP, "", "", "a file system without it shows a full disk later"},
    {Op::create_anonymous, EOPNOTSUPP, "", "", "a named file takes its place"},
    {Op::create_anonymous, 0, "PutWithoutAnonymousFiles", "", "fails in the sound run too"},
    {Op::open_file, ESTALE, "", "", "the root is opened anew, and the file by way of it"},

    // A directory above the root, or the root before it is made.
    {Op::open_directory, EACCES, "Open", "", "what may not be read is not ours to judge or sync"},
    {Op::open_directory, EACCES, "Sweep", "", "what may not be read is not ours to judge or sync"},
    {Op::open_directory, 0, "OpenNew", "", "then it is made, and found to be there"},
    {Op::open_directory, 0, "OpenAtFirstPut", "", "then it is made, and found to be there"},

    // Before the directory is there, a refusal may mean that somebody deleted it.
    {Op::create_anonymous, EACCES, "OpenAtFirstPut", "", "the put tries once more"},
    {Op::link, EACCES, "OpenAtFirstPut", "", "the put tries once more"},
    {Op::make_directory, EACCES, "OpenAtFirstPut", "", "the put tries once more"},
    {Op::open_file, EACCES, "OpenAtFirstPut", "/LARDER", "the put tries once more"},
    {Op::resolve, EACCES, "OpenAtFirstPut", "", "the put tries once more"},
    {Op::list, EACCES, "OpenAtFirstPut", "", "the put tries once more"},
    {Op::write_at, EACCES, "OpenAtFirstPut", "", "the put tries once more"},
    {Op::rename_no_replace, EOPNOTSUPP, "PutWithoutAnonymousFiles", "", "a link takes its place"},

    {Op::file_info, 0, "Put", "", "what cannot be read is replaced, as if it were damaged"},
    {Op::read_at, 0, "Put", "", "what cannot be read is replaced, as if it were damaged"},
    {Op::file_info, 0, "FlushAfterReplace", "", "what cannot be read is replaced"},
    {Op::read_at, 0, "FlushAfterReplace", "", "what cannot be read is replaced"},
    {Op::info_at, 0, "Remove", "", "a first look; the one under the lock decides"},
    {Op::info_at, 0, "PutRotated", "", "a first look; the one under the lock decides"},
    {Op::open_file, EACCES, "PutRotated", ".art", "what may not be read is nobody's"},
    {Op::open_file, EACCES, "Remove", ".art", "what may not be read is nobody's, and is removed"},

    // The bytes in use are a few KiB low until the next scan.
    {Op::info_at, 0, "", "/LARDER", "its size is counted with the store's"},
    {Op::info_at, 0, "", "/.larder-lock", "its size is counted with the store's"},
    {Op::directory_info, 0, "", "/0", "its size is counted with the store's"},
};

const std::vector<Harmless> of_packs = {
    {Op::start_writeback, 0, "", "", "a hint; what fails here fails again in the sync"},
    {Op::unlock, 0, "", "", "the kernel drops the lock with the descriptor"},
    {Op::reserve, EOPNOTSUPP, "", "", "a file system without it shows a full disk later"},
    {Op::trim, 0, "", "", "what is not given back is unused space, until the segment goes"},
    {Op::create_anonymous, EOPNOTSUPP, "", "", "a named file takes its place"},

    // A directory above the root, or the root before it is made.
    {Op::open_directory, EACCES, "", "", "what may not be read is not ours to judge or sync"},
    {Op::open_directory, 0, "OpenNew", "", "then it is made, and found to be there"},
    {Op::open_directory, 0, "OpenAtFirstPut", "", "then it is made, and found to be there"},
    {Op::open_subdirectory, 0, "Open", "/large", "the first call that needs it opens it again"},
    {Op::open_subdirectory, 0, "PutAdopts", "/large",
     "the first call that needs it opens it again"},
    {Op::open_subdirectory, 0, "PutEvicts", "/large",
     "the next measure of the disk opens it again"},
    {Op::open_subdirectory, 0, "PutRotated", "/large",
     "the first call that needs it opens it again"},
    {Op::open_subdirectory, 0, "Sweep", "/large", "the first call that needs it opens it again"},
    {Op::open_subdirectory, 0, "Close", "/large", "the first call that needs it opens it again"},

    {Op::create_file, ENOSPC, "", "/index.", "the table of before makes room; once more"},
    {Op::allocate, ENOSPC, "", "/index.", "the table of before makes room; once more"},

    // Before the directory is there, a refusal may mean that somebody deleted it.
    {Op::create_anonymous, EACCES, "PutOwnFile", "/large", "the put tries once more"},
    {Op::link, EACCES, "PutOwnFile", "/large", "the put tries once more"},
    {Op::open_subdirectory, EACCES, "PutOwnFile", "/large", "the put tries once more"},
    {Op::make_directory, EACCES, "PutOwnFile", "/large", "the put tries once more"},
    {Op::create_anonymous, ENOSPC, "PutOwnFileBeside", "/large",
     "it makes room and tries once more"},
    {Op::reserve, ENOSPC, "PutOwnFileBeside", "/large", "it makes room and tries once more"},
    {Op::write_at, ENOSPC, "PutOwnFileBeside", "/large", "it makes room and tries once more"},
    {Op::make_directory, ENOSPC, "PutOwnFileBeside", "/large", "it makes room and tries once more"},
    {Op::link, ENOSPC, "PutOwnFileBeside", "/large", "it makes room and tries once more"},
    {Op::open_file, EACCES, "PutOwnFile", "/large/LARDER", "the put tries once more"},
    {Op::resolve, EACCES, "PutOwnFile", "/large", "the put tries once more"},
    {Op::write_at, EACCES, "PutOwnFile", "/large", "the put tries once more"},
    {Op::open_file, ESTALE, "", "/large/", "the root is opened anew, and the file by way of it"},

    // An index that cannot be had is made anew, a second one for a reader; one that cannot grow has
    // room for a third more.
    {Op::open_file, 0, "", "/index.", "the index is made anew"},
    {Op::file_info, 0, "", "/index.", "the index is made anew"},
    {Op::read_at, 0, "", "/index.", "the index is made anew"},
    {Op::map, 0, "", "/index.", "the index is made anew, or grows later"},
    {Op::check, 0, "", "/index.", "the index is made anew, or grows later"},
    {Op::create_file, 0, "PutGrows", "/index.", "the index grows later"},
    {Op::allocate, 0, "PutGrows", "/index.", "the index grows later"},
    {Op::file_info, 0, "PutGrows", "/.larder-lock", "the index grows later"},
    {Op::try_lock, 0, "PutGrows", "/.larder-lock", "the index grows later"},
    {Op::remove_file, 0, "", "/index.", "an old index is unused space, until the next open"},
    {Op::list, 0, "", "/store", "what is left over is unused space, until the next open"},

    {Op::read_at, EIO, "", "/segments/", "what cannot be read at once is read in parts"},
    {Op::file_info, EIO, "", "/segments/", "without a summary the records are read"},
    {Op::open_file, EIO, "Put", "/segments/", "what cannot be adopted is not: another is made"},
    {Op::try_lock, EIO, "Put", "/segments/", "what cannot be adopted is not: another is made"},
    {Op::create_file, ENOSPC, "Put", "/segments/", "the put makes room and tries once more"},
    {Op::reserve, ENOSPC, "", "/segments/", "the put makes room and tries once more"},
    {Op::write_at, ENOSPC, "Open", "/segments/", "the put makes room and tries once more"},
    {Op::write_at, ENOSPC, "PutBeside", "/segments/", "the put makes room and tries once more"},
    {Op::write_at, ENOSPC, "PutOwnFileBeside", "/segments/", "it makes room and tries once more"},
    {Op::info_at, 0, "", "/store/", "its size is counted with the store's"},
    {Op::open_subdirectory, 0, "PutOwnFile", "/large", "then it counts as one that was there"},

    {Op::try_lock, 0, "Close", "/state", "then the next open makes the index anew"},
    {Op::sync_data, 0, "Close", "/state", "then the next open makes the index anew"},
    {Op::sync_data, 0, "Close", "/index.", "then the next open makes the index anew"},
    {Op::sync_directory, 0, "Close", "/store", "then the next open makes the index anew"},

    {Op::file_info, 0, "ClearBeside", "/segments/", "it is read record by record, without its end"},
    {Op::is_locked, 0, "Clear", "/segments/", "it counts as held"},
    {Op::open_file, 0, "Clear", "/segments/", "it is not adopted, or counts as held"},
    {Op::read_at, 0, "GetMany", "/segments/", "what many do not find is asked for alone"},
    {Op::map, 0, "", "/segments/", "what cannot be mapped is read"},
    {Op::try_lock, 0, "View", "/segments/", "what cannot be mapped is read"},
    {Op::try_lock, 0, "GetOwnFile", "/segments/", "what cannot be mapped is read"},
    {Op::file_info, 0, "GetDamaged", "/segments/", "it is told as damaged, and is"},
    {Op::file_info, 0, "GetManyDamaged", "/segments/", "it is told as damaged, and is"},
    {Op::file_info, 0, "ViewDamaged", "/segments/", "it is told as damaged, and is"},
    {Op::file_info, 0, "Repair", "/segments/", "it is told as damaged, and is"},
    {Op::check, 0, "", "/segments/", "what cannot be mapped is read"},
    {Op::check, 0, "", "/large/", "what cannot be mapped is read"},
    {Op::map, 0, "", "/large/", "what cannot be mapped is read"},
    {Op::open_file, 0, "GetOwnFile", "/large/", "what cannot be mapped is read"},
    {Op::file_info, 0, "GetOwnFile", "/large/", "what cannot be mapped is read"},
    {Op::read_at, 0, "PutOfAnother", "/segments/", "what may not be durable is written again"},
    {Op::read_at, 0, "PutEvictsSegment", "/segments/", "which leaves first is a matter of order"},
    {Op::space, 0, "PutEvicts", "/store", "the next put asks again"},
    {Op::space, 0, "Maintain", "/store", "it counts as scarce, which costs a sync"},
    {Op::file_info, 0, "PutOfAnother", "/segments/", "what may not be durable is written again"},
    {Op::write_at, ENOSPC, "PutSeals", "/segments/", "without a summary the records are read"},
    {Op::write_at, ENOSPC, "PutEvicts", "/segments/", "without a summary the records are read"},
    {Op::write_at, ENOSPC, "SealAdopted", "/segments/", "without a summary the records are read"},
    {Op::read_at, 0, "FlushSealed", "/segments/", "without the proof others do not rely on it"},
    {Op::write_at, 0, "FlushSealed", "/segments/", "without the proof others do not rely on it"},

    // Of the file whose name is gone; that of who takes it to evict it ends as an error.
    {Op::try_lock, 0, "Clear", "/segments/", "its blocks come back when all have closed it"},
    {Op::try_lock, 0, "Prune", "/segments/", "its blocks come back when all have closed it"},
    {Op::file_info, 0, "EvictByPrune", "/segments/",
     "its blocks come back when all have closed it"},
    {Op::try_lock, 0, "EvictByPrune", "/segments/", "its blocks come back when all have closed it"},
    {Op::file_info, 0, "PutEvictsSegment", "/segments/", "its blocks come back, but later"},

    {Op::write_at, 0, "Clear", "/00000000.seg", "a segment on its way out needs no summary"},
    {Op::sync_data, 0, "Clear", "/00000000.seg", "its records were durable, copies will be"},
    {Op::file_info, 0, "Clear", "/00000000.seg", "its records were durable, copies will be"},
    {Op::file_info, 0, "Clear", "/state", "its records were durable, copies will be"},
    {Op::directory_info, 0, "Clear", "/store", "its records were durable, copies will be"},
    {Op::open_directory, 0, "Clear", "/store", "its records were durable, copies will be"},
    {Op::write_at, 0, "Prune", "/00000000.seg", "a segment on its way out needs no summary"},
    {Op::sync_data, 0, "Prune", "/00000000.seg", "its records were durable, copies will be"},
    {Op::file_info, 0, "Prune", "/00000000.seg", "its records were durable, copies will be"},
    {Op::file_info, 0, "Prune", "/00000001.seg", "where nobody else evicts, copies are there"},
    {Op::file_info, 0, "Prune", "/state", "its records were durable, copies will be"},
    {Op::directory_info, 0, "Prune", "/store", "its records were durable, copies will be"},
    {Op::open_directory, 0, "Prune", "/store", "its records were durable, copies will be"},
    {Op::read_at, 0, "Clear", "/segments/", "without the proof others do not rely on it"},
    {Op::read_at, 0, "Prune", "/segments/", "what cannot be read is not planned for, and stays"},
    {Op::write_at, 0, "EvictByPrune", "/00000001.seg", "it leaves, and needs no summary"},
    {Op::read_at, 0, "EvictByPrune", "/segments/", "what is not planned for stays"},
    {Op::file_info, 0, "EvictByPrune", "/state", "it is asked again before a segment goes"},
    {Op::directory_info, 0, "EvictByPrune", "/segments", "it is asked again before a segment goes"},

    {Op::open_file, 0, "PutEvictsPutAgain", "/large/.larder-lock", "its files are counted later"},
    {Op::read_at, 0, "PutEvictsPutAgain", "/large/.larder-lock", "its files are counted later"},
    {Op::file_info, 0, "PutEvictsEntries", "/segments/", "without a summary the records are read"},
    {Op::read_at, 0, "PutEvictsEntries", "/segments/", "what may be older counts as older"},
    {Op::open_file, 0, "PutEvictsEntries", "/segments/", "what cannot be looked at stays"},
    {Op::try_lock, 0, "PutEvictsEntries", "/segments/", "what cannot be looked at stays"},
    {Op::file_info, 0, "PutEvictsEntries", "/.larder-lock", "an old index is unused space"},
    {Op::try_lock, 0, "PutEvictsEntries", "/.larder-lock", "an old index is unused space"},

    // Entries of two keys, which leave one by one out of segments that stay.
    {Op::open_file, 0, "PruneBeside", "/segments/", "what cannot be looked at stays"},
    {Op::is_locked, 0, "PruneBeside", "/segments/", "what somebody may be writing stays"},
    {Op::open_file, 0, "PruneBeside", "/large/", "its file is unused space"},
    {Op::open_subdirectory, 0, "PruneBeside", "/large/", "its file is unused space"},
    {Op::read_at, 0, "PruneBeside", "/large/", "its file is unused space"},
    {Op::remove_file, 0, "PruneBeside", "/large/", "its file is unused space"},
    {Op::sync_directory, 0, "PruneBeside", "/large/", "its file is unused space"},
    {Op::file_info, 0, "PruneBeside", "/.larder-lock", "its file is unused space"},
    {Op::try_lock, 0, "PruneBeside", "/.larder-lock", "its file is unused space"},

    // It says itself that what cannot be written anew now stays, and the next call tries again.
    {Op::create_file, 0, "Maintain", "/segments/", "what cannot be written anew stays"},
    {Op::random_name, 0, "Maintain", "", "what cannot be written anew stays"},
    {Op::open_file, 0, "Maintain", "/segments/", "what cannot be written anew stays"},
    {Op::file_info, 0, "Maintain", "/segments/", "what cannot be written anew stays"},
    {Op::file_info, 0, "Maintain", "/state", "what cannot be written anew stays"},
    {Op::directory_info, 0, "Maintain", "/segments", "what cannot be written anew stays"},
    {Op::read_at, 0, "Maintain", "/segments/", "what cannot be written anew stays"},
    {Op::reserve, 0, "Maintain", "/segments/", "what cannot be written anew stays"},
    {Op::write_at, 0, "Maintain", "/segments/", "what cannot be written anew stays"},
    {Op::try_lock, 0, "Maintain", "/segments/", "what cannot be written anew stays"},
    {Op::sync_data, 0, "Maintain", "/segments/", "what cannot be written anew stays"},
    {Op::sync_directory, 0, "Maintain", "/segments", "what cannot be written anew stays"},
    {Op::remove_file, 0, "Maintain", "/segments/", "what cannot be removed stays"},
    {Op::open_subdirectory, 0, "Maintain", "/large", "files that nothing leads to are swept later"},
    {Op::directory_info, 0, "Maintain", "/large/", "files that nothing leads to are swept later"},
    {Op::open_file, 0, "Maintain", "/large/", "files that nothing leads to are swept later"},
    {Op::read_at, 0, "Maintain", "/large/", "files that nothing leads to are swept later"},
    {Op::remove_file, 0, "MaintainUnused", "/large/",
     "files that nothing leads to are swept later"},
    {Op::sync_directory, 0, "MaintainUnused", "/large/",
     "files that nothing leads to are swept later"},
    {Op::file_info, 0, "Maintain", "/.larder-lock", "files that nothing leads to are swept later"},
    {Op::try_lock, 0, "Maintain", "/.larder-lock", "files that nothing leads to are swept later"},

    {Op::directory_info, 0, "PutOwnFile", "/large/", "its size is counted with the store's"},
    {Op::directory_info, 0, "MendLost", "/large/", "its size is counted with the store's"},
    {Op::file_info, 0, "PutSameOwnFile", "/large/", "what cannot be read is stored once more"},
    {Op::read_at, 0, "PutSameOwnFile", "/large/", "what cannot be read is stored once more"},
    {Op::file_info, 0, "RemoveOwnFile", "/.larder-lock", "its file is unused space"},
    {Op::try_lock, 0, "RemoveOwnFile", "/.larder-lock", "its file is unused space"},
    {Op::remove_file, 0, "RemoveOwnFile", "/large/", "the entry is gone; its file is unused space"},
    {Op::open_subdirectory, 0, "RemoveOwnFile", "/large/", "its file is unused space"},
    {Op::sync_directory, 0, "RemoveOwnFile", "/large/", "its file is unused space"},
};

}  // namespace

const std::vector<Harmless>& harmless_faults(StoreKind kind) {
  return kind == StoreKind::pack ? of_packs : of_files;
}

}  // namespace larder
