# cmake --install: headers, the libraries, the CMake package and the pkg-config files.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/weft)

install(TARGETS weft weft_held_locks EXPORT weftTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/weft DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h")
install(EXPORT weftTargets NAMESPACE weft:: DESTINATION ${package_dir})

configure_package_config_file(packaging/weftConfig.cmake.in weftConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
# 0.x: every minor version may change the interface.
write_basic_package_version_file(weftConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weftConfig.cmake ${PROJECT_BINARY_DIR}/weftConfigVersion.cmake
              cmake/held_locks.cmake
        DESTINATION ${package_dir})

list(JOIN WEFT_PUBLIC_OPTIONS " " pc_cflags)
list(JOIN WEFT_SANITIZE_OPTIONS " " pc_libs)
set(pc_symbols "")
if(WEFT_SYMBOLS_LIBRARY)
  set(pc_symbols -l${WEFT_SYMBOLS_LIBRARY})
endif()
file(RELATIVE_PATH pc_to_prefix /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
install(FILES tools/gdb/weft.py DESTINATION ${CMAKE_INSTALL_DATADIR}/weft/gdb)
get_property(pc_held_locks GLOBAL PROPERTY WEFT_HELD_LOCKS_OPTIONS)
configure_file(packaging/weft.pc.in weft.pc @ONLY)
configure_file(packaging/weft-held-locks.pc.in weft-held-locks.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weft.pc ${PROJECT_BINARY_DIR}/weft-held-locks.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
