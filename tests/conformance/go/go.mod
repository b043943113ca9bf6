module weftconformance

go 1.26
