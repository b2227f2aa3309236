from localcoder.cli.main import main

main()
