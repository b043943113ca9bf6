# weft_check_held_locks(TARGET): in its Debug builds TARGET reports goroutines that wait while they hold
# a std::mutex. For other builds link weft::held_locks.
function(weft_check_held_locks target)
  target_link_libraries(${target} PRIVATE $<$<CONFIG:Debug>:weft::held_locks>)
endfunction()
