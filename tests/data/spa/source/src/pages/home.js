import { h } from 'preact'

export const Home = () => h('h1', null, 'Home')
